import type { PhotoSize } from 'grammy/types'
import type { StoredFile } from './files.js'
import type { Content } from './posting.js'

/** What a message with this file says. */
export function mediaContent(kind: 'photo' | 'document', file: StoredFile): Content {
  if (kind === 'photo') return { photo: [photoSize(file)] }
  return {
    document: {
      file_id: file.id,
      file_unique_id: file.uniqueId,
      file_name: file.name,
      mime_type: file.type,
      file_size: file.bytes.length,
    },
  }
}

/** Pictures are not opened: every photo measures the same. */
function photoSize(file: StoredFile): PhotoSize {
  return {
    file_id: file.id,
    file_unique_id: file.uniqueId,
    file_size: file.bytes.length,
    width: 800,
    height: 600,
  }
}
