metadata description = 'What an operator looks at first: one page over the app\'s log events.'

param location string
param tags object
param workspaceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(workspaceId, 'delta-cosmos-sync')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'delta-cosmos-sync'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: loadTextContent('../sync.workbook.json')
  }
}
