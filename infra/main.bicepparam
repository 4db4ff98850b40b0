using 'main.bicep'

// A variable that is empty counts as unset: pipelines pass those on that nobody gave a value.
var given = {
  lakeContainers: readEnvironmentVariable('LAKE_CONTAINERS', '')
  mirrors: readEnvironmentVariable('MIRRORS', '')
  freshness: readEnvironmentVariable('FRESHNESS_CONTAINER', '')
  cosmosServerless: readEnvironmentVariable('COSMOS_SERVERLESS', '')
  createMirrors: readEnvironmentVariable('CREATE_MIRRORS', '')
  cosmosRuPerSecond: readEnvironmentVariable('COSMOS_RU_PER_SECOND', '')
  environmentName: readEnvironmentVariable('AZURE_ENV_NAME', '')
  location: readEnvironmentVariable('AZURE_LOCATION', '')
  durable: readEnvironmentVariable('DURABLE_BACKEND', '')
  network: readEnvironmentVariable('NETWORK_MODE', '')
  publicApp: readEnvironmentVariable('PUBLIC_APP', '')
  nodeVersion: readEnvironmentVariable('NODE_VERSION', '')
}
var isPrivate = given.network == 'private'

param environmentName = empty(given.environmentName) ? 'delta-cosmos-sync' : given.environmentName
param location = empty(given.location) ? 'westeurope' : given.location
// The default is there for the compiler: a deployment with it is refused, and an empty text by the compiler.
param lakeStorageAccountId = readEnvironmentVariable('LAKE_STORAGE_ACCOUNT_ID', '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/lake/providers/Microsoft.Storage/storageAccounts/unset')
param lakeLocation = readEnvironmentVariable('LAKE_LOCATION', '')
param lakeContainers = split(empty(given.lakeContainers) ? 'lake' : given.lakeContainers, ',')
param systemTopicName = readEnvironmentVariable('LAKE_SYSTEM_TOPIC', '')
param cosmosAccountId = readEnvironmentVariable('COSMOS_ACCOUNT_ID', '')
param cosmosServerless = bool(empty(given.cosmosServerless) ? 'false' : given.cosmosServerless)
param mirrors = json(empty(given.mirrors) ? '[{"database":"cosmicworks","container":"products"}]' : given.mirrors)
param createMirrors = bool(empty(given.createMirrors) ? 'true' : given.createMirrors)
// database/container
param freshness = empty(given.freshness)
  ? null
  : { database: first(split(given.freshness, '/')), container: last(split(given.freshness, '/')) }
param cosmosRuPerSecond = int(empty(given.cosmosRuPerSecond) ? '0' : given.cosmosRuPerSecond)
param durable = empty(given.durable) ? 'durableTaskScheduler' : given.durable
param network = empty(given.network) ? 'public' : given.network
param publicApp = bool(empty(given.publicApp) ? string(!isPrivate) : given.publicApp)
param nodeVersion = empty(given.nodeVersion) ? '24' : given.nodeVersion
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')
