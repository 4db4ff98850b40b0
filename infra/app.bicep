metadata description = 'Everything of one installation, in one resource group.'
targetScope = 'resourceGroup'

import { durableBackend, mirror, networkMode, publication } from 'types.bicep'

@description('Names the installation: part of a hash in every name, and a tag.')
@minLength(1)
@maxLength(64)
param environmentName string

param location string = resourceGroup().location

@description('Resource id of the storage account of the lake.')
@minLength(80)
param lakeStorageAccountId string

@description('Region of the lake: its system topic has to be there.')
param lakeLocation string = location

@description('Containers of the lake that hold tables. Commits in the first one can also arrive by blob trigger (events.bicep).')
@minLength(1)
@maxLength(8)
param lakeContainers string[]

@description('System topic of the lake, where there is one already; it needs a system-assigned identity. Empty: one is created.')
param systemTopicName string = ''

@description('Resource id of the Cosmos DB account; empty: one is created.')
param cosmosAccountId string = ''

@description('The account is serverless, or is to be.')
param cosmosServerless bool = false

@description('Containers that are kept equal to tables: the app may write to these and no others.')
@minLength(1)
@maxLength(50)
param mirrors mirror[]

@description('Create the mirrored containers and their databases. False: they exist.')
param createMirrors bool = true

@description('Container of freshness and pointer documents, created with the mirrored ones; absent: there is none.')
param freshness publication?

@description('RU/s of the mirrored containers where the app shall not ask Azure for it; 0: it asks.')
@minValue(0)
@maxValue(1000000)
param cosmosRuPerSecond int = 0

param stateDatabaseName string = 'delta-cosmos-sync'
param stateContainerName string = 'state'
param leaseContainerName string = 'leases'

@minLength(3)
@maxLength(63)
param planContainerName string = 'sync-plans'

@minLength(3)
@maxLength(63)
param hintQueueName string = 'log-events'

@description('Days after which plans, shuffle blobs and dead letters are deleted.')
@minValue(14)
@maxValue(3650)
param planRetentionDays int = 30

@description('NCRONTAB schedule of the sweep: how late a lost event is noticed at the latest.')
param sweepSchedule string = '0 */5 * * * *'

@description('Where orchestrations are kept. azureStorage goes with the package variant of the same name.')
param durable durableBackend = 'durableTaskScheduler'

param network networkMode = 'public'

@description('Address block of the virtual network (private mode).')
param addressPrefix string = '10.60.0.0/24'

@description('Private mode: the app itself can be called from the internet. Needed for the blob trigger\'s webhook.')
param publicApp bool = network == 'public'

@description('Private mode: reach the lake through a private endpoint.')
param lakePrivateEndpoint bool = true

@allowed(['22', '24'])
param nodeVersion string = '24'

@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Spread the plan and a new Cosmos DB account over zones.')
param zoneRedundant bool = false

@description('Where alerts go; empty: nowhere.')
param alertEmail string = ''

@description('Minutes that a commit may wait before somebody is told.')
@minValue(5)
@maxValue(1440)
param lagAlertMinutes int = 15

var token = uniqueString(subscription().id, resourceGroup().id, environmentName)
var tags = { 'azd-env-name': environmentName, application: 'delta-cosmos-sync' }
var private = network == 'private'
var scheduled = durable == 'durableTaskScheduler'
var taskHubName = 'sync${token}'
var lake = {
  subscription: split(lakeStorageAccountId, '/')[2]
  group: split(lakeStorageAccountId, '/')[4]
  name: last(split(lakeStorageAccountId, '/'))
}
var createCosmos = empty(cosmosAccountId)
var cosmosGroup = createCosmos
  ? { subscription: subscription().subscriptionId, name: resourceGroup().name }
  : { subscription: split(cosmosAccountId, '/')[2], name: split(cosmosAccountId, '/')[4] }
var cosmosName = createCosmos ? 'cosmos-dcs-${token}' : last(split(cosmosAccountId, '/'))
var storageName = 'stdcs${token}'
var eventDeadLetterContainer = 'event-dead-letters'
var topicName = empty(systemTopicName) ? 'evgt-dcs-${token}' : systemTopicName

module identity 'modules/identity.bicep' = {
  params: { name: 'id-dcs-${token}', location: location, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    workspaceName: 'log-dcs-${token}'
    insightsName: 'appi-dcs-${token}'
    location: location
    tags: tags
    publisherPrincipalId: identity.outputs.principalId
  }
}

module storage 'modules/host-storage.bicep' = {
  params: {
    name: storageName
    location: location
    tags: tags
    private: private
    principalId: identity.outputs.principalId
    workspaceId: monitoring.outputs.workspaceId
    planContainerName: planContainerName
    hintQueueName: hintQueueName
    eventDeadLetterContainerName: eventDeadLetterContainer
    planRetentionDays: planRetentionDays
  }
}

module cosmos 'modules/cosmos.bicep' = if (createCosmos) {
  params: {
    name: cosmosName
    location: location
    tags: tags
    private: private
    serverless: cosmosServerless
    zoneRedundant: zoneRedundant
    workspaceId: monitoring.outputs.workspaceId
  }
}

module containers 'modules/cosmos-containers.bicep' = {
  scope: resourceGroup(cosmosGroup.subscription, cosmosGroup.name)
  params: {
    accountName: cosmosName
    serverless: cosmosServerless
    stateDatabaseName: stateDatabaseName
    stateContainerName: stateContainerName
    leaseContainerName: leaseContainerName
    mirrors: createMirrors ? mirrors : []
    freshness: createMirrors ? freshness : null
  }
  dependsOn: [cosmos]
}

module cosmosAccess 'modules/cosmos-access.bicep' = {
  scope: resourceGroup(cosmosGroup.subscription, cosmosGroup.name)
  params: {
    accountName: cosmosName
    principalId: identity.outputs.principalId
    stateDatabaseName: stateDatabaseName
    stateContainerName: stateContainerName
    leaseContainerName: leaseContainerName
    mirrors: mirrors
    freshness: freshness
  }
  dependsOn: [containers]
}

module scheduler 'modules/durable.bicep' = if (scheduled) {
  params: {
    name: 'dts-dcs-${token}'
    taskHubName: taskHubName
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module lakeAccess 'modules/lake-access.bicep' = {
  scope: resourceGroup(lake.subscription, lake.group)
  params: {
    accountName: lake.name
    containers: lakeContainers
    principalId: identity.outputs.principalId
  }
}

module topic 'modules/event-topic.bicep' = {
  scope: resourceGroup(lake.subscription, lake.group)
  params: {
    name: topicName
    create: empty(systemTopicName)
    lakeAccountName: lake.name
    lakeLocation: lakeLocation
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module eventAccess 'modules/event-access.bicep' = {
  params: {
    storageAccountName: storageName
    queueName: hintQueueName
    deadLetterContainerName: eventDeadLetterContainer
    principalId: topic.outputs.principalId
  }
  dependsOn: [storage]
}

module subscriptionToQueue 'modules/event-subscription.bicep' = {
  scope: resourceGroup(lake.subscription, lake.group)
  params: {
    topicName: topicName
    name: 'dcs-queue-${token}'
    containers: lakeContainers
    storageAccountId: storage.outputs.id
    queueName: hintQueueName
    deadLetterContainerName: eventDeadLetterContainer
  }
  dependsOn: [eventAccess]
}

var groupIds = ['blob', 'queue', 'table', 'Sql', 'sites']

module privateNetwork 'modules/network.bicep' = if (private) {
  params: {
    name: 'vnet-dcs-${token}'
    location: location
    tags: tags
    addressPrefix: addressPrefix
    groupIds: groupIds
  }
}

var reached = concat(
  [
    { name: 'blob', resourceId: storage.outputs.id, groupId: 'blob' }
    { name: 'queue', resourceId: storage.outputs.id, groupId: 'queue' }
    { name: 'table', resourceId: storage.outputs.id, groupId: 'table' }
    { name: 'cosmos', resourceId: containers.outputs.accountId, groupId: 'Sql' }
  ],
  lakePrivateEndpoint ? [{ name: 'lake', resourceId: lakeStorageAccountId, groupId: 'blob' }] : []
)

@batchSize(1)
module privateEndpoints 'modules/private-endpoint.bicep' = [
  for index in range(0, lakePrivateEndpoint ? 5 : 4): if (private) {
    name: 'private-endpoint-${index}'
    params: {
      name: 'pe-dcs-${token}-${reached[index].name}'
      location: location
      tags: tags
      subnetId: privateNetwork!.outputs.endpointSubnetId
      resourceId: reached[index].resourceId
      groupId: reached[index].groupId
      zoneId: privateNetwork!.outputs.zoneIds[indexOf(groupIds, reached[index].groupId)]
    }
  }
]

module appEndpoint 'modules/private-endpoint.bicep' = if (private && !publicApp) {
  params: {
    name: 'pe-dcs-${token}-app'
    location: location
    tags: tags
    subnetId: privateNetwork!.outputs.endpointSubnetId
    resourceId: app.outputs.id
    groupId: 'sites'
    zoneId: privateNetwork!.outputs.zoneIds[indexOf(groupIds, 'sites')]
  }
}

module app 'modules/function-app.bicep' = {
  params: {
    name: 'func-dcs-${token}'
    planName: 'plan-dcs-${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    workspaceId: monitoring.outputs.workspaceId
    packageContainerUrl: storage.outputs.packageContainerUrl
    nodeVersion: nodeVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    zoneRedundant: zoneRedundant
    publicAccess: publicApp
    subnetId: private ? privateNetwork!.outputs.appSubnetId : ''
    settings: {
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identity.outputs.clientId
      AzureWebJobsStorage__blobServiceUri: storage.outputs.blobEndpoint
      AzureWebJobsStorage__queueServiceUri: storage.outputs.queueEndpoint
      AzureWebJobsStorage__tableServiceUri: storage.outputs.tableEndpoint
      DELTA_LAKE__credential: 'managedidentity'
      DELTA_LAKE__clientId: identity.outputs.clientId
      DELTA_LAKE__blobServiceUri: lakeAccess.outputs.blobEndpoint
      // Messages that the blob trigger gives up on: the app has no write access to the lake.
      DELTA_LAKE__queueServiceUri: storage.outputs.queueEndpoint
      APPLICATIONINSIGHTS_CONNECTION_STRING: monitoring.outputs.connectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.outputs.clientId};Authorization=AAD'
      TASKHUB_NAME: taskHubName
      AZURE_CLIENT_ID: identity.outputs.clientId
      COSMOS_ENDPOINT: containers.outputs.endpoint
      COSMOS_RESOURCE_ID: containers.outputs.accountId
      RESOURCE_MANAGER_ENDPOINT: environment().resourceManager
      STATE_DATABASE: stateDatabaseName
      STATE_CONTAINER: stateContainerName
      LEASE_CONTAINER: leaseContainerName
      LAKE_CONTAINER: lakeContainers[0]
      PLAN_CONTAINER: planContainerName
      HINT_QUEUE: hintQueueName
      SWEEP_SCHEDULE: sweepSchedule
      ...(cosmosRuPerSecond == 0 ? {} : { COSMOS_RU_PER_SECOND: string(cosmosRuPerSecond) })
      ...(scheduled
        ? {
            DURABLE_TASK_SCHEDULER_CONNECTION_STRING: 'Endpoint=${scheduler!.outputs.endpoint};Authentication=ManagedIdentity;ClientID=${identity.outputs.clientId}'
          }
        : {})
    }
  }
  dependsOn: [cosmosAccess, eventAccess, privateEndpoints]
}

module alerts 'modules/alerts.bicep' = {
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    cosmosAccountId: containers.outputs.accountId
    topicId: topic.outputs.id
    storageAccountId: storage.outputs.id
    email: alertEmail
    lagMinutes: lagAlertMinutes
  }
}

module workbook 'modules/workbook.bicep' = {
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId }
}

output SYNC_APP_NAME string = app.outputs.name
output SYNC_APP_URL string = 'https://${app.outputs.hostName}'
output SYNC_STORAGE_ACCOUNT string = storage.outputs.name
output SYNC_SYSTEM_TOPIC string = topicName
output COSMOS_ENDPOINT string = containers.outputs.endpoint
output LAKE_BLOB_ENDPOINT string = lakeAccess.outputs.blobEndpoint
