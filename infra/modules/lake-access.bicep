metadata description = 'Reading the lake: Storage Blob Data Reader on each container with tables, not on the account.'

param accountName string
param containers string[]
param principalId string

var storageBlobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource lakeContainers 'containers' existing = [for name in containers: { name: name }]
  }
}

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, index) in containers: {
    name: guid(account.id, name, principalId, storageBlobDataReader)
    scope: account::blobs::lakeContainers[index]
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataReader)
    }
  }
]

output blobEndpoint string = account.properties.primaryEndpoints.blob
