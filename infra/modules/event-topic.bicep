metadata description = 'The system topic of the lake. A storage account has one: an existing one is used as it is.'

param name string
param create bool
param lakeAccountName string
param lakeLocation string
param tags object
param workspaceId string

resource lake 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: lakeAccountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (create) {
  name: name
  location: lakeLocation
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: lake.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource present 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (!create) {
  name: name
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (create) {
  name: 'to-workspace'
  scope: topic
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'DeliveryFailures', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

@description('An existing topic needs a system-assigned identity.')
output principalId string = create ? topic!.identity.principalId : present!.identity.principalId
output id string = create ? topic.id : present.id
