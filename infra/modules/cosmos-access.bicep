metadata description = 'What the app may do in Cosmos DB: four data roles, each on the containers that need it, and reading RU/s.'

import { mirror, publication } from '../types.bicep'

param accountName string
param principalId string
param stateDatabaseName string
param stateContainerName string
param leaseContainerName string
param mirrors mirror[]
param freshness publication?

var actions = loadJsonContent('../cosmos-roles.json')
var roleNames = ['state', 'lease', 'target', 'publication']
var controlScopes = [
  { role: 0, database: stateDatabaseName, container: stateContainerName }
  { role: 1, database: stateDatabaseName, container: leaseContainerName }
]
var scopes = concat(
  controlScopes,
  map(mirrors, item => { role: 2, database: item.database, container: item.container }),
  freshness == null ? [] : [{ role: 3, database: freshness!.database, container: freshness!.container }]
)

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = {
  name: accountName
}

resource roles 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions@2025-04-15' = [
  for name in roleNames: {
    parent: account
    name: guid(account.id, principalId, 'delta-cosmos-sync', name)
    properties: {
      roleName: 'delta-cosmos-sync ${name} ${take(uniqueString(principalId), 6)}'
      type: 'CustomRole'
      assignableScopes: [account.id]
      permissions: [{ dataActions: actions[name] }]
    }
  }
]

resource assignments 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = [
  for item in scopes: {
    parent: account
    name: guid(account.id, principalId, roleNames[item.role], item.database, item.container)
    properties: {
      principalId: principalId
      roleDefinitionId: roles[item.role].id
      scope: '${account.id}/dbs/${item.database}/colls/${item.container}'
    }
  }
]

@description('RU/s is no data: a data role cannot read it.')
resource throughputReader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(account.id, principalId, 'throughput-reader')
  properties: {
    roleName: 'delta-cosmos-sync RU/s reader ${uniqueString(account.id, principalId)}'
    description: 'Reads the RU/s of databases and containers, nothing else.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: [
          'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/throughputSettings/read'
          'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/throughputSettings/read'
        ]
      }
    ]
  }
}

resource throughputAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, principalId, 'throughput-reader', 'assignment')
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: throughputReader.id
  }
}
