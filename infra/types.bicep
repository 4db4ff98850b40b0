@export()
@description('A container that is kept equal to a table.')
type mirror = {
  @minLength(1)
  @maxLength(255)
  database: string

  @minLength(1)
  @maxLength(255)
  container: string

  @description('Used when the container is created. Default: /id.')
  partitionKeyPath: string?

  @description('Autoscale maximum in RU/s, used when the container is created. Default: 1000.')
  @minValue(1000)
  @maxValue(1000000)
  maxRuPerSecond: int?
}

@export()
@description('The container of freshness and pointer documents.')
type publication = {
  @minLength(1)
  @maxLength(255)
  database: string

  @minLength(1)
  @maxLength(255)
  container: string
}

@export()
type networkMode = 'public' | 'private'

@export()
type durableBackend = 'durableTaskScheduler' | 'azureStorage'
