import type { Message } from 'grammy/types'
import type { StoredFile } from '../../world/files.js'
import { mediaContent } from '../../world/media.js'
import type { Content } from '../../world/posting.js'
import { badRequest } from '../../world/refusal.js'
import type { Call, Methods } from '../call.js'
import { Params } from '../params.js'
import { captionContent, writableChat } from './content.js'
import { say } from './sending.js'

export const mediaMethods: Methods = {
  sendPhoto: (call) => send(call, 'photo') as Message.PhotoMessage,
  sendDocument: (call) => send(call, 'document') as Message.DocumentMessage,

  /** Photos and documents; other media are refused. */
  sendMediaGroup(call) {
    const { world, params } = call
    const media = params.objects('media') ?? []
    if (media.length < 2 || media.length > 10) throw badRequest('wrong number of media in the album')
    const contents = media.map((entry): Content => {
      const item = new Params(new Map(Object.entries(entry)))
      const kind = item.text('type')
      if (kind !== 'photo' && kind !== 'document')
        throw badRequest(`can't parse InputMedia: ${kind} is not served here`)
      const file = findFile(call, item.text('media'), kind)
      return { ...mediaContent(kind, file), ...captionContent(world, item) }
    })
    const chat = writableChat(call)
    const album = world.nextAlbumId()
    return contents.map(
      (content) => say(call, chat, { ...content, media_group_id: album }).message,
    ) as (Message.PhotoMessage & Message.DocumentMessage)[]
  },

  getFile({ world, params }) {
    const file = world.files.find(params.text('file_id') ?? '')
    if (file === undefined) throw badRequest('wrong file_id or the file is temporarily unavailable')
    return {
      file_id: file.id,
      file_unique_id: file.uniqueId,
      file_size: file.bytes.length,
      file_path: pathOf(file),
    }
  },
}

function send(call: Call, kind: 'photo' | 'document'): Message {
  const file = call.params.upload(kind) ?? findFile(call, call.params.text(kind), kind)
  const stored = 'id' in file ? file : call.world.files.store(file.bytes, file.name, file.type)
  const content = { ...mediaContent(kind, stored), ...captionContent(call.world, call.params) }
  const chat = writableChat(call)
  return say(call, chat, content).message
}

/** A file by its id, or one that came along in the same request (`attach://name`). */
function findFile(
  { world, params }: Call,
  given: string | undefined,
  kind: 'photo' | 'document',
): StoredFile {
  if (given === undefined || given === '') throw badRequest(`there is no ${kind} in the request`)
  if (given.startsWith('attach://')) {
    const upload = params.upload(given.slice('attach://'.length))
    if (upload === undefined) throw badRequest(`there is no ${kind} in the request`)
    return world.files.store(upload.bytes, upload.name, upload.type)
  }
  const file = world.files.find(given)
  if (file !== undefined) return file
  if (/^https?:\/\//.test(given)) throw badRequest('failed to get HTTP URL content')
  throw badRequest('wrong file identifier/HTTP URL specified')
}

function pathOf(file: StoredFile): string {
  return `files/${file.id}`
}
