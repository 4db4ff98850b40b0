metadata description = 'The entry point of azd: a resource group and one installation in it.'
targetScope = 'subscription'

import { durableBackend, mirror, networkMode, publication } from 'types.bicep'

@description('Name of the azd environment; names the resource group.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of everything but the system topic.')
@minLength(1)
param location string

@description('Resource id of the storage account of the lake.')
@minLength(80)
param lakeStorageAccountId string

@description('Region of the lake; empty: the same.')
param lakeLocation string = ''

@description('Containers of the lake that hold tables.')
@minLength(1)
@maxLength(8)
param lakeContainers string[]

@description('System topic of the lake, where there is one already.')
param systemTopicName string = ''

@description('Resource id of the Cosmos DB account; empty: one is created.')
param cosmosAccountId string = ''

@description('The account is serverless, or is to be.')
param cosmosServerless bool = false

@description('Containers that are kept equal to tables.')
@minLength(1)
@maxLength(50)
param mirrors mirror[]

@description('Create the mirrored containers and their databases.')
param createMirrors bool = true

@description('Container of freshness and pointer documents, created with the mirrored ones; absent: there is none.')
param freshness publication?

@description('RU/s of the mirrored containers where the app shall not ask Azure for it; 0: it asks.')
@minValue(0)
@maxValue(1000000)
param cosmosRuPerSecond int = 0

@description('Where orchestrations are kept.')
param durable durableBackend = 'durableTaskScheduler'

@description('Public endpoints, or a virtual network with private ones.')
param network networkMode = 'public'

@description('The app itself can be called from the internet.')
param publicApp bool = network == 'public'

@description('Node.js of the app.')
@allowed(['22', '24'])
param nodeVersion string = '24'

@description('Where alerts go; empty: nowhere.')
param alertEmail string = ''

@description('Minutes that a commit may wait before somebody is told.')
@minValue(5)
@maxValue(1440)
param lagAlertMinutes int = 15

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: { 'azd-env-name': environmentName }
}

module app 'app.bicep' = {
  scope: group
  params: {
    environmentName: environmentName
    location: location
    lakeStorageAccountId: lakeStorageAccountId
    lakeLocation: empty(lakeLocation) ? location : lakeLocation
    lakeContainers: lakeContainers
    systemTopicName: systemTopicName
    cosmosAccountId: cosmosAccountId
    cosmosServerless: cosmosServerless
    mirrors: mirrors
    createMirrors: createMirrors
    freshness: freshness
    cosmosRuPerSecond: cosmosRuPerSecond
    durable: durable
    network: network
    publicApp: publicApp
    nodeVersion: nodeVersion
    alertEmail: alertEmail
    lagAlertMinutes: lagAlertMinutes
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output SYNC_APP_NAME string = app.outputs.SYNC_APP_NAME
output SYNC_APP_URL string = app.outputs.SYNC_APP_URL
output SYNC_STORAGE_ACCOUNT string = app.outputs.SYNC_STORAGE_ACCOUNT
output SYNC_SYSTEM_TOPIC string = app.outputs.SYNC_SYSTEM_TOPIC
output COSMOS_ENDPOINT string = app.outputs.COSMOS_ENDPOINT
output LAKE_BLOB_ENDPOINT string = app.outputs.LAKE_BLOB_ENDPOINT
