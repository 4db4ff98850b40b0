metadata description = 'Commits as messages on the hint queue: works for writers that put a file and for those that rename it.'

import { commitFilters, createdApis, renamedApis } from 'commit-filter.bicep'

param topicName string
param name string
param containers string[]
param storageAccountId string
param queueName string
param deadLetterContainerName string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: name
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated', 'Microsoft.Storage.BlobRenamed']
      subjectBeginsWith: '/blobServices/default/containers/'
      subjectEndsWith: '.json'
      advancedFilters: commitFilters(containers, concat(createdApis, renamedApis))
    }
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      destination: {
        endpointType: 'StorageQueue'
        properties: { resourceId: storageAccountId, queueName: queueName, queueMessageTimeToLiveInSeconds: 86400 }
      }
    }
    deadLetterWithResourceIdentity: {
      identity: { type: 'SystemAssigned' }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: { resourceId: storageAccountId, blobContainerName: deadLetterContainerName }
      }
    }
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
  }
}
