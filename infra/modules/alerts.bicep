metadata description = 'Who hears of trouble, and what trouble is.'

param location string
param tags object
param workspaceId string
param cosmosAccountId string
param topicId string
param storageAccountId string

@description('Where alerts go; empty: they are only shown in the portal.')
param email string

@description('Minutes that a commit may wait before somebody is told.')
param lagMinutes int

var lines = 'AppTraces | where Message has \'"event":\' | extend Line = parse_json(Message)'

var events = [
  {
    name: 'held'
    severity: 2
    description: 'An epoch waits for somebody: approve, reject or change the configuration.'
    names: ['epochHeld']
    threshold: 0
  }
  {
    name: 'failed'
    severity: 1
    description: 'Epochs fail or are given up.'
    names: ['epochFailed', 'epochAbandoned']
    threshold: 2
  }
  {
    name: 'dead-letters'
    severity: 2
    description: 'Rows that cannot be written.'
    names: ['rowDeadLettered']
    threshold: 0
  }
  {
    name: 'stuck'
    severity: 2
    description: 'The sweep replaced a run without progress.'
    names: ['sweepRestarted']
    threshold: 1
  }
  {
    name: 'budget-lost'
    severity: 2
    description: 'The RU lease was lost again and again.'
    names: ['leaseLost']
    threshold: 5
  }
]
var metrics = [
  {
    name: 'events-dead-lettered'
    description: 'Event Grid could not deliver commits. The sweep catches up.'
    scope: topicId
    namespace: 'Microsoft.EventGrid/systemTopics'
    metric: 'DeadLetteredCount'
    aggregation: 'Total'
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'events-dropped'
    description: 'Event Grid dropped commits. The sweep catches up.'
    scope: topicId
    namespace: 'Microsoft.EventGrid/systemTopics'
    metric: 'DroppedEventCount'
    aggregation: 'Total'
    threshold: 0
    window: 'PT15M'
  }
  {
    name: 'ru-exhausted'
    description: 'A partition of a container has used nearly all of its RU/s for a quarter of an hour.'
    scope: cosmosAccountId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'NormalizedRUConsumption'
    aggregation: 'Average'
    threshold: 90
    window: 'PT15M'
  }
  {
    name: 'storage-unavailable'
    description: 'The app\'s own storage fails.'
    scope: storageAccountId
    namespace: 'Microsoft.Storage/storageAccounts'
    metric: 'Availability'
    aggregation: 'Average'
    threshold: 99
    window: 'PT15M'
  }
]

resource actions 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-delta-cosmos-sync'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'delta-sync'
    emailReceivers: [{ name: 'operators', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource eventAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for item in events: {
    name: 'alert-delta-cosmos-sync-${item.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'delta-cosmos-sync: ${item.name}'
      description: item.description
      severity: item.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      skipQueryValidation: true
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: '${lines} | where tostring(Line.event) in (${join(map(item.names, name => '"${name}"'), ', ')}) | extend Table = coalesce(tostring(Line.table), "all")'
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: item.threshold
            dimensions: [{ name: 'Table', operator: 'Include', values: ['*'] }]
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: empty(email) ? [] : [actions.id] }
    }
  }
]

resource late 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'alert-delta-cosmos-sync-late'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'delta-cosmos-sync: late'
    description: 'A commit has waited for ${lagMinutes} minutes: the container is behind its table.'
    severity: 2
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    skipQueryValidation: true
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: '${lines} | where tostring(Line.event) in ("tableBehind") | extend Table = tostring(Line.table), Seconds = toint(Line.seconds)'
          metricMeasureColumn: 'Seconds'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: lagMinutes * 60
          dimensions: [{ name: 'Table', operator: 'Include', values: ['*'] }]
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: empty(email) ? [] : [actions.id] }
  }
}

var functions = [
  {
    name: 'silent'
    severity: 1
    description: 'The sweep did not end well within half an hour: nothing catches up.'
    query: 'AppRequests | where Name == "onSweep" and Success == true'
    operator: 'LessThan'
    threshold: 1
  }
  {
    name: 'poison'
    severity: 2
    description: 'Events fail so often that they end in a poison queue. The sweep catches up.'
    query: 'AppRequests | where Name in ("onLogEvent", "onCommit") and Success == false'
    operator: 'GreaterThan'
    // A message is given up after its fifth failure (host.json).
    threshold: 4
  }
]

resource functionAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for item in functions: {
    name: 'alert-delta-cosmos-sync-${item.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'delta-cosmos-sync: ${item.name}'
      description: item.description
      severity: item.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT15M'
      windowSize: 'PT30M'
      skipQueryValidation: true
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: item.query
            timeAggregation: 'Count'
            operator: item.operator
            threshold: item.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: empty(email) ? [] : [actions.id] }
    }
  }
]

resource metricAlerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for item in metrics: {
    name: 'alert-delta-cosmos-sync-${item.name}'
    location: 'global'
    tags: tags
    properties: {
      description: item.description
      severity: 2
      enabled: true
      scopes: [item.scope]
      evaluationFrequency: 'PT5M'
      windowSize: item.window
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            criterionType: 'StaticThresholdCriterion'
            name: item.name
            metricNamespace: item.namespace
            metricName: item.metric
            timeAggregation: item.aggregation
            operator: item.metric == 'Availability' ? 'LessThan' : 'GreaterThan'
            threshold: item.threshold
          }
        ]
      }
      actions: empty(email) ? [] : [{ actionGroupId: actions.id }]
    }
  }
]
