import type { tl } from '@mtcute/core'
import { SentinelError } from '../../../core/errors.js'
import type { Caller } from '../calls/caller.js'
import { fileOfMedia, type MtprotoFile } from './file.js'
import { inputMediaOf } from './input-media.js'
import { type UploadedFile, type UploadOptions, upload } from './upload.js'
import type { UploadSource } from './upload-source.js'

/**
 * How a file is sent.
 *
 * @example
 * ```ts
 * import type { SendFileOptions } from 'grammy-sentinel/mtproto'
 *
 * const options: SendFileOptions = { as: 'video', caption: 'The whole talk', width: 1920, height: 1080, duration: 3600 }
 * ```
 */
export interface SendFileOptions extends UploadOptions {
  /** Default: `document`, as it is. */
  readonly as?: 'document' | 'photo' | 'video' | 'audio' | 'voice' | 'animation' | 'video_note'
  /** Such as `video/mp4`. Default: what the source says, else `application/octet-stream`. */
  readonly type?: string
  readonly caption?: string
  /** The id of a message of the chat. */
  readonly replyTo?: number
  /** Of videos: pixels. */
  readonly width?: number
  readonly height?: number
  /** Of sounds and videos: seconds. */
  readonly duration?: number
  /** Without a sound for whoever gets it. */
  readonly silent?: boolean
}

/**
 * A file that was sent.
 *
 * @example
 * ```ts
 * import type { SentFile } from 'grammy-sentinel/mtproto'
 *
 * const line = ({ id, file }: SentFile) => `message ${id}: ${file.size ?? 0} bytes`
 * ```
 */
export interface SentFile {
  /** Of the message. */
  readonly id: number
  readonly file: MtprotoFile
}

/**
 * Uploads a file, unless it was, and sends it.
 *
 * @throws SentinelError as `upload()` does; `mtproto.refused`, such as FILE_PART_0_MISSING when Telegram has given the parts up.
 */
export async function sendFile(
  caller: Caller,
  chat: number | string,
  what: UploadSource | UploadedFile,
  options: SendFileOptions = {},
): Promise<SentFile> {
  const peer = await caller.peer(chat)
  const uploaded = isUploaded(what) ? what : await upload(caller, what, options)
  const { randomLong } = await import('@mtcute/core/utils.js')
  const { caption = '', replyTo, silent = false, signal } = options
  const answer = await caller.call(
    {
      _: 'messages.sendMedia',
      peer,
      media: await inputMediaOf(uploaded, options),
      message: caption,
      randomId: randomLong(),
      silent,
      ...(replyTo !== undefined && { replyTo: { _: 'inputReplyToMessage', replyToMsgId: replyTo } }),
    },
    { signal },
  )
  const message = messageIn(answer)
  const sent = message && fileOfMedia(message.media, { chat, message: message.id })
  if (message === undefined || sent === undefined) {
    throw new SentinelError(
      'mtproto.transfer',
      'mtproto.sendFile: Telegram took the file, and did not tell as which message. Look at the chat.',
    )
  }
  return { id: message.id, file: sent }
}

/** Whether it was uploaded already. */
export function isUploaded(what: UploadSource | UploadedFile): what is UploadedFile {
  return 'fileId' in what
}

function messageIn(answer: tl.TypeUpdates): tl.RawMessage | undefined {
  if (answer._ !== 'updates' && answer._ !== 'updatesCombined') return undefined
  for (const update of answer.updates) {
    if (update._ !== 'updateNewMessage' && update._ !== 'updateNewChannelMessage') continue
    if (update.message._ === 'message') return update.message
  }
  return undefined
}
