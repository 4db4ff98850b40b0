// Orchestrations in the app's own storage account: goes with the package of the same name.
using '../main.bicep'

param environmentName = 'azure-storage'
param location = 'westeurope'
param lakeStorageAccountId = '/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/lake/providers/Microsoft.Storage/storageAccounts/lakeaccount'
param lakeContainers = ['lake']
param mirrors = [{ database: 'cosmicworks', container: 'products' }]
param durable = 'azureStorage'
