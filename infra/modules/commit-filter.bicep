metadata description = 'Which storage events speak of a commit. A cost saver only: the app checks every path itself.'

@export()
@description('Advanced filters for commit files in the containers. Comparisons ignore case; filters are joined by and, values by or.')
func commitFilters(containers string[], apis string[]) object[] => [
  {
    operatorType: 'StringBeginsWith'
    key: 'Subject'
    values: map(containers, name => '/blobServices/default/containers/${name}/blobs/')
  }
  { operatorType: 'StringContains', key: 'Subject', values: ['/_delta_log/'] }
  {
    operatorType: 'StringNotContains'
    key: 'Subject'
    values: ['/_delta_log/_staged_commits/', '/_delta_log/__tmp_path_dir/', '.checkpoint.', '.compacted.']
  }
  { operatorType: 'StringIn', key: 'data.api', values: apis }
]

@export()
@description('Calls after which a blob is there in full; CreateFile makes an empty one.')
var createdApis = ['PutBlob', 'PutBlockList', 'CopyBlob', 'FlushWithClose', 'SftpCommit']

@export()
var renamedApis = ['RenameFile', 'SftpRename']
