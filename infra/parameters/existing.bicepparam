// Lake, Cosmos DB account with its containers, and system topic are there already, in other groups or subscriptions.
using '../main.bicep'

param environmentName = 'existing'
param location = 'westeurope'
param lakeStorageAccountId = '/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/lake/providers/Microsoft.Storage/storageAccounts/lakeaccount'
param lakeLocation = 'northeurope'
param lakeContainers = ['gold', 'silver']
param systemTopicName = 'lake-events'
param cosmosAccountId = '/subscriptions/00000000-0000-0000-0000-00000000000b/resourceGroups/data/providers/Microsoft.DocumentDB/databaseAccounts/company'
param mirrors = [{ database: 'cosmicworks', container: 'products' }]
param freshness = { database: 'cosmicworks', container: 'freshness' }
param createMirrors = false
param cosmosRuPerSecond = 4000
param alertEmail = 'operators@example.com'
