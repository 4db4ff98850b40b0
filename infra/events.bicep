metadata description = 'Second phase, after the code is deployed: commits to the blob trigger\'s webhook. Its key exists only then.'
targetScope = 'resourceGroup'

@description('The function app (output SYNC_APP_NAME).')
@minLength(2)
@maxLength(60)
param appName string

@description('The system topic (output SYNC_SYSTEM_TOPIC).')
@minLength(3)
param systemTopicName string

@description('Resource id of the storage account of the lake.')
@minLength(80)
param lakeStorageAccountId string

@description('The container that the trigger reads: the app\'s LAKE_CONTAINER.')
@minLength(3)
@maxLength(63)
param lakeContainer string

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

module webhook 'modules/event-webhook.bicep' = {
  scope: resourceGroup(split(lakeStorageAccountId, '/')[2], split(lakeStorageAccountId, '/')[4])
  params: {
    topicName: systemTopicName
    name: 'dcs-webhook-${uniqueString(app.id)}'
    container: lakeContainer
    endpointUrl: 'https://${app.properties.defaultHostName}/runtime/webhooks/blobs?functionName=Host.Functions.onCommit&code=${listKeys('${app.id}/host/default', '2023-12-01').systemKeys.blobs_extension}'
  }
}
