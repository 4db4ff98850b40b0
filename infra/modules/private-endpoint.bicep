metadata description = 'One private endpoint and its name.'

param name string
param location string
param tags object
param subnetId string
param resourceId string
param groupId string
param zoneId string

resource privateEndpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      { name: name, properties: { privateLinkServiceId: resourceId, groupIds: [groupId] } }
    ]
  }

  resource zone 'privateDnsZoneGroups' = {
    name: 'default'
    properties: { privateDnsZoneConfigs: [{ name: 'zone', properties: { privateDnsZoneId: zoneId } }] }
  }
}
