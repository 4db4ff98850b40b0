metadata description = 'State and lease containers, and the mirrored containers where they are to be created.'

import { mirror, publication } from '../types.bicep'

param accountName string
param serverless bool
param stateDatabaseName string
param stateContainerName string
param leaseContainerName string

@description('Mirrored containers to create.')
param mirrors mirror[]

@description('Container of freshness documents to create.')
param freshness publication?

var freshnessDatabases = freshness == null ? [] : [freshness!.database]
var databaseNames = union([stateDatabaseName], map(mirrors, item => item.database), freshnessDatabases)
var control = [
  { name: stateContainerName, path: '/target', ttl: { defaultTtl: -1 } }
  { name: leaseContainerName, path: '/id', ttl: {} }
]

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = {
  name: accountName
}

resource databases 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-04-15' = [
  for name in databaseNames: {
    parent: account
    name: name
    properties: { resource: { id: name } }
  }
]

resource controlContainers 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [
  for item in control: {
    // The first database is the one of the state.
    parent: databases[0]
    name: item.name
    properties: {
      resource: {
        id: item.name
        partitionKey: { paths: [item.path], kind: 'Hash', version: 2 }
        // Queries name a partition and order by id; nothing else needs an index.
        indexingPolicy: {
          indexingMode: 'consistent'
          includedPaths: [{ path: '/kind/?' }]
          excludedPaths: [{ path: '/*' }]
        }
        ...item.ttl
      }
      options: serverless ? {} : { autoscaleSettings: { maxThroughput: 1000 } }
    }
  }
]

resource mirrorContainers 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [
  for item in mirrors: {
    parent: databases[indexOf(databaseNames, item.database)]
    name: item.container
    properties: {
      resource: {
        id: item.container
        partitionKey: { paths: [item.?partitionKeyPath ?? '/id'], kind: 'Hash', version: 2 }
      }
      options: serverless ? {} : { autoscaleSettings: { maxThroughput: item.?maxRuPerSecond ?? 1000 } }
    }
  }
]

resource freshnessContainer 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = if (freshness != null) {
  parent: databases[indexOf(databaseNames, freshness!.database)]
  name: freshness!.container
  properties: {
    resource: {
      id: freshness!.container
      partitionKey: { paths: ['/id'], kind: 'Hash', version: 2 }
    }
    options: serverless ? {} : { autoscaleSettings: { maxThroughput: 1000 } }
  }
}

output endpoint string = account.properties.documentEndpoint
output accountId string = account.id
