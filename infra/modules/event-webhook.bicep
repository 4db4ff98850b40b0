metadata description = 'Commits straight to the blob trigger. It cannot hear renames: the queue subscription stays the main path.'

import { commitFilters, createdApis } from 'commit-filter.bicep'

param topicName string
param name string
param container string

@description('Webhook of the blob extension with its key.')
@secure()
param endpointUrl string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: name
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/${container}/blobs/'
      subjectEndsWith: '.json'
      advancedFilters: commitFilters([container], createdApis)
    }
    destination: { endpointType: 'WebHook', properties: { endpointUrl: endpointUrl } }
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }
  }
}
