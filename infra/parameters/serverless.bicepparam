// A serverless Cosmos DB account: it has no RU/s of its own, so budgets in sync.json are absolute.
using '../main.bicep'

param environmentName = 'serverless'
param location = 'westeurope'
param lakeStorageAccountId = '/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/lake/providers/Microsoft.Storage/storageAccounts/lakeaccount'
param lakeContainers = ['lake']
param mirrors = [{ database: 'cosmicworks', container: 'products' }]
param cosmosServerless = true
