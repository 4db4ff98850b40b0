metadata description = 'Virtual network, and the zones in which private endpoints have their names.'

param name string
param location string
param tags object

@description('An address block of at least /25.')
param addressPrefix string

@description('Parts of resources (group ids) that get private endpoints.')
param groupIds ('blob' | 'queue' | 'table' | 'Sql' | 'sites')[]

var cosmosSuffixes = {
  AzureCloud: 'documents.azure.com'
  AzureUSGovernment: 'documents.azure.us'
  AzureChinaCloud: 'documents.azure.cn'
}
var siteSuffixes = {
  AzureCloud: 'azurewebsites.net'
  AzureUSGovernment: 'azurewebsites.us'
  AzureChinaCloud: 'chinacloudsites.cn'
}
var zoneOf = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  Sql: 'privatelink.${cosmosSuffixes[environment().name]}'
  sites: 'privatelink.${siteSuffixes[environment().name]}'
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          delegations: [
            { name: 'functions', properties: { serviceName: 'Microsoft.App/environments' } }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: { addressPrefix: cidrSubnet(addressPrefix, 26, 1) }
      }
    ]
  }

  resource app 'subnets' existing = { name: 'app' }
  resource ends 'subnets' existing = { name: 'endpoints' }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for groupId in groupIds: {
    name: zoneOf[groupId]
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (groupId, index) in groupIds: {
    parent: zones[index]
    name: name
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: network.id } }
  }
]

output appSubnetId string = network::app.id
output endpointSubnetId string = network::ends.id

@description('Zones in the order of the group ids.')
output zoneIds array = [for (groupId, index) in groupIds: zones[index].id]
