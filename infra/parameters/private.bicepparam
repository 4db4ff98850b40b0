// Private networking: storage, Cosmos DB and the app have private endpoints only.
using '../main.bicep'

param environmentName = 'private'
param location = 'westeurope'
param lakeStorageAccountId = '/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/lake/providers/Microsoft.Storage/storageAccounts/lakeaccount'
param lakeContainers = ['lake']
param mirrors = [{ database: 'cosmicworks', container: 'products' }]
param network = 'private'
