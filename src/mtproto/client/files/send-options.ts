import type { UploadOptions } from './upload.js'

/**
 * Options of sending a file.
 *
 * @example
 * ```ts
 * import type { SendFileOptions } from 'grammy-sentinel/mtproto'
 *
 * const options: SendFileOptions = { as: 'video', caption: 'The whole talk', width: 1920, height: 1080, duration: 3600 }
 * ```
 */
export interface SendFileOptions extends UploadOptions {
  /** Default: `document`, the file as it is. */
  readonly as?: 'document' | 'photo' | 'video' | 'audio' | 'voice' | 'animation' | 'video_note'
  /** MIME type such as `video/mp4`. Default: the type of the source, else the usual type for `as`. */
  readonly type?: string
  readonly caption?: string
  /** Id of a message in the chat to reply to. */
  readonly replyTo?: number
  /** For videos, animations and video notes: in pixels. */
  readonly width?: number
  readonly height?: number
  /** For audio and video: in seconds. */
  readonly duration?: number
  /** Sends without a notification sound. */
  readonly silent?: boolean
}
