import type { Message } from 'grammy/types'
import { bytesOf, fileIdOf, kindOf, pathOf, type StoredFile, uniqueIdOf } from '../../world/media/files.js'
import { type MediaDetails, type MediaKind, mediaContent } from '../../world/media/media.js'
import { knownSticker } from '../../world/media/stickers.js'
import type { Content } from '../../world/messages/content.js'
import { badRequest } from '../../world/refusal.js'
import type { Call, Methods } from '../call.js'
import { Params } from '../params.js'
import { captionContent, writableChat } from './content.js'
import { fileNamed, fileOf, neededFile } from './input-files.js'
import { say } from './sending.js'

/** "Maximum file size to download is 20 MB" (getFile). */
const LARGEST_DOWNLOAD = 20 * 1024 * 1024
/** MAX_LENGTH and MAX_DURATION of tdlib/telegram-bot-api: in pixels, and in seconds. */
const MOST_PIXELS = 10_000
const LONGEST = 86_400

export const mediaMethods: Methods = {
  sendPhoto: (call) => send(call, 'photo') as Message.PhotoMessage,
  sendDocument: (call) => send(call, 'document') as Message.DocumentMessage,
  sendVideo: (call) => send(call, 'video') as Message.VideoMessage,
  sendAudio: (call) => send(call, 'audio') as Message.AudioMessage,
  sendVoice: (call) => send(call, 'voice') as Message.VoiceMessage,
  sendAnimation: (call) => send(call, 'animation') as Message.AnimationMessage,
  sendVideoNote: (call) => send(call, 'video_note', false) as Message.VideoNoteMessage,
  sendSticker: (call) => send(call, 'sticker', false) as Message.StickerMessage,

  sendMediaGroup(call) {
    const media = call.params.objects('media') ?? []
    if (media.length === 0) throw badRequest('there are no messages to send')
    if (media.length > 10) throw badRequest('too many messages to send as an album')
    const items = media.map((entry) => mediaItem(call, entry, true))
    const kinds = new Set(items.map(({ kind }) => kind))
    for (const kind of ['audio', 'document'] as const)
      if (kinds.has(kind) && kinds.size > 1)
        throw badRequest(`${kind === 'audio' ? 'Audio' : 'Document'} can't be mixed with other media types`)
    const above = items.map(({ content }) => content.show_caption_above_media === true)
    if (new Set(above).size > 1)
      throw badRequest('parameter show_caption_above_media must be the same for all messages')
    const album = items.length === 1 ? {} : { media_group_id: call.world.nextAlbumId() }
    const contents = items.map(({ content }): Content => ({ ...content, ...album }))
    // Checked first, so that either all messages are sent or none.
    for (const content of contents) writableChat(call, content)
    return contents.map(
      (content) => say(call, content, { hasMarkup: false, mayBeEphemeral: false }).message,
    ) as (Message.PhotoMessage & Message.VideoMessage)[]
  },

  getFile({ world, params }) {
    const id = params.text('file_id') ?? ''
    if (id === '') throw badRequest('file_id not specified')
    const file = world.files.find(id)
    const kind = kindOf(id)
    if (file === undefined || kind === undefined)
      throw badRequest('wrong file_id or the file is temporarily unavailable')
    if (file.bytes.length > LARGEST_DOWNLOAD) throw badRequest('file is too big')
    return {
      file_id: fileIdOf(file, kind),
      file_unique_id: uniqueIdOf(file, kind),
      file_size: bytesOf(file, kind).length,
      file_path: pathOf(file, kind),
    }
  },
}

function send(call: Call, kind: MediaKind, captioned = true): Message {
  const file = neededFile(call, kind, kind)
  const content = contentOf(call, call.params, kind, file)
  return say(call, captioned ? { ...content, ...captionOf(call, call.params) } : content).message
}

/** The content for a file, with the properties given in the call or in an InputMedia. */
function contentOf(call: Call, params: Params, kind: MediaKind, file: StoredFile): Content {
  const isSticker = kind === 'sticker'
  const details = {
    ...detailsOf(call, params),
    ...(isSticker && { sticker: knownSticker(call.world.stickerSets, file) }),
  }
  return {
    ...mediaContent(kind, file, details),
    ...(params.flag('has_spoiler') && SPOILABLE.has(kind) && { has_media_spoiler: true }),
  }
}

export function detailsOf(call: Call, params: Params): MediaDetails {
  return {
    width: within(params.integer('width'), MOST_PIXELS),
    height: within(params.integer('height'), MOST_PIXELS),
    duration: within(params.integer('duration'), LONGEST),
    length: within(params.integer('length'), MOST_PIXELS),
    startTimestamp: within(params.integer('start_timestamp'), LONGEST),
    performer: params.text('performer'),
    title: params.text('title'),
    emoji: params.text('emoji'),
    thumbnail: isUpload(call, params, 'thumbnail') ? attached(call, params, 'thumbnail') : undefined,
    cover: attached(call, params, 'cover'),
  }
}

const SPOILABLE: ReadonlySet<MediaKind> = new Set(['photo', 'video', 'animation'])

export function captionOf(call: Call, params: Params): Content {
  const caption = captionContent(call.world, params)
  const isAbove = params.flag('show_caption_above_media')
  return { ...caption, ...(isAbove && { show_caption_above_media: true }) }
}

function within(given: number | undefined, most: number): number | undefined {
  return given === undefined ? undefined : Math.min(Math.max(given, 0), most)
}

/** "Thumbnails can't be reused and can be only uploaded as a new file"; other values are ignored. */
function isUpload(call: Call, params: Params, name: string): boolean {
  return params.text(name)?.startsWith('attach://') === true || call.params.upload(name) !== undefined
}

function attached(call: Call, params: Params, name: string): StoredFile | undefined {
  return params === call.params ? fileOf(call, name, 'photo') : fileNamed(call, params.text(name), 'photo')
}

const ITEMS: ReadonlySet<string> = new Set(['photo', 'video', 'animation', 'audio', 'document'])

/** Reads an InputMedia, for an album or for editing a message. */
export function mediaItem(
  call: Call,
  entry: Readonly<Record<string, unknown>>,
  inAlbum: boolean,
): { readonly kind: MediaKind; readonly content: Content } {
  const item = Params.of(entry)
  const kind = item.text('type') ?? ''
  if (!ITEMS.has(kind)) throw badRequest(`can't parse InputMedia: type "${kind}" is unsupported`)
  if (inAlbum && kind === 'animation')
    throw badRequest(`can't parse InputMedia: type "${kind}" can't be used in sendMediaGroup`)
  const media = kind as MediaKind
  const file = fileNamed(call, item.text('media'), media)
  if (file === undefined) throw badRequest("can't parse InputMedia: media not found")
  return { kind: media, content: { ...contentOf(call, item, media, file), ...captionOf(call, item) } }
}
