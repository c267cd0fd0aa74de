import type { tl } from '@mtcute/core'
import { SentinelError } from '../../../core/errors.js'
import type { Caller } from '../calls/caller.js'
import { fileOfMedia } from './file.js'
import { inputMediaAgain, inputMediaOf } from './input-media.js'
import { isUploaded, type SentFile } from './send-file.js'
import type { SendFileOptions } from './send-options.js'
import { type UploadedFile, upload } from './upload.js'
import type { UploadSource } from './upload-source.js'

/**
 * A file of an album. Documents can be combined only with documents, audio files only with audio files.
 *
 * @example
 * ```ts
 * import type { AlbumFile } from 'grammy-sentinel/mtproto'
 *
 * const bothSides = (front: Blob, back: Blob): readonly AlbumFile[] => [
 *   { file: front, as: 'photo', caption: 'From both sides' },
 *   { file: back, as: 'photo' },
 * ]
 * ```
 */
export interface AlbumFile extends Omit<SendFileOptions, 'as' | 'replyTo' | 'silent' | 'signal'> {
  /** A file to upload, or one already uploaded. */
  readonly file: UploadSource | UploadedFile
  /** Default: `document`, the file as it is. */
  readonly as?: 'document' | 'photo' | 'video' | 'audio'
}

/**
 * Options of sending an album.
 *
 * @example
 * ```ts
 * import type { SendAlbumOptions } from 'grammy-sentinel/mtproto'
 *
 * const options: SendAlbumOptions = { silent: true, replyTo: 42 }
 * ```
 */
export interface SendAlbumOptions extends Pick<SendFileOptions, 'replyTo' | 'silent' | 'signal'> {}

/** "Up to 10" (https://core.telegram.org/method/messages.sendMultiMedia). */
const MOST = 10
const FEWEST = 2

/** Uploads the files one after another, unless already uploaded, and sends them as one album. */
export async function sendAlbum(
  caller: Caller,
  chat: number | string,
  files: readonly AlbumFile[],
  { replyTo, silent = false, signal }: SendAlbumOptions = {},
): Promise<SentFile[]> {
  if (files.length < FEWEST || files.length > MOST) {
    throw new SentinelError(
      'mtproto.transfer',
      `mtproto.sendAlbum: an album has ${FEWEST} to ${MOST} files, not ${files.length}. Send one by sendFile(), and more as several albums.`,
    )
  }
  const peer = await caller.peer(chat)
  const { randomLong } = await import('@mtcute/core/utils.js')
  const multiMedia: tl.RawInputSingleMedia[] = []
  for (const { file, caption = '', ...options } of files) {
    const uploaded = isUploaded(file)
      ? file
      : await upload(caller, file, { ...options, ...(signal !== undefined && { signal }) })
    const media = await inputMediaOf(uploaded, options)
    // "Must be first uploaded using messages.uploadMedia, using raw uploaded media info is not supported."
    const made = inputMediaAgain(await caller.call({ _: 'messages.uploadMedia', peer, media }, { signal }))
    if (made === undefined) {
      throw new SentinelError(
        'mtproto.transfer',
        `mtproto.sendAlbum: Telegram could not use "${uploaded.name}". Check that it is what \`as\` says.`,
      )
    }
    multiMedia.push({ _: 'inputSingleMedia', media: made, randomId: randomLong(), message: caption })
  }
  const answer = await caller.call(
    {
      _: 'messages.sendMultiMedia',
      peer,
      multiMedia,
      silent,
      ...(replyTo !== undefined && { replyTo: { _: 'inputReplyToMessage', replyToMsgId: replyTo } }),
    },
    { signal },
  )
  const messages = messagesIn(answer)
  return multiMedia.map(({ randomId }) => {
    const message = messages.get(randomId.toString())
    const file = message && fileOfMedia(message.media, { chat, message: message.id })
    if (message === undefined || file === undefined) {
      throw new SentinelError(
        'mtproto.transfer',
        'mtproto.sendAlbum: Telegram took the files, but did not return their messages. Look in the chat.',
      )
    }
    return { id: message.id, file }
  })
}

/** The messages in an answer, by the random id with which they were sent. */
function messagesIn(answer: tl.TypeUpdates): ReadonlyMap<string, tl.RawMessage> {
  const messages = new Map<string, tl.RawMessage>()
  if (answer._ !== 'updates' && answer._ !== 'updatesCombined') return messages
  const named = new Map<number, string>()
  for (const update of answer.updates)
    if (update._ === 'updateMessageID') named.set(update.id, update.randomId.toString())
  for (const update of answer.updates) {
    if (update._ !== 'updateNewMessage' && update._ !== 'updateNewChannelMessage') continue
    const name = named.get(update.message.id)
    if (name !== undefined && update.message._ === 'message') messages.set(name, update.message)
  }
  return messages
}
