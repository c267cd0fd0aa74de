import type { tl } from '@mtcute/core'
import { SentinelError } from '../../../core/errors.js'
import { CHANNEL_MARK } from '../../protocol/chat-ids.js'
import type { Caller } from '../calls/caller.js'
import { photosOf } from '../lists/photos.js'
import { type FileOrigin, fileOfMedia, type MtprotoFile } from './file.js'

/**
 * Fetches the current file of a message, or the latest profile photo.
 *
 * @throws SentinelError `mtproto.transfer` if the message is gone or has no file; `mtproto.refused`.
 */
export async function fileOfOrigin(caller: Caller, origin: FileOrigin): Promise<MtprotoFile> {
  if ('photoOf' in origin) {
    for await (const latest of photosOf(caller, origin.photoOf)) return latest
    throw gone()
  }
  const message = await messageAt(caller, origin.chat, origin.message)
  const file = message?._ === 'message' ? fileOfMedia(message.media, origin) : undefined
  if (file === undefined) throw gone()
  return file
}

/** Fetches the same file again, with a fresh file reference. */
export async function refreshed(
  caller: Caller,
  { id, origin }: Pick<MtprotoFile, 'id' | 'origin'>,
): Promise<MtprotoFile> {
  if ('photoOf' in origin) {
    for await (const photo of photosOf(caller, origin.photoOf)) if (photo.id === id) return photo
    throw gone()
  }
  const found = await fileOfOrigin(caller, origin)
  // The message may have been edited to another file, whose bytes must not be mixed with those of this one.
  if (found.id !== id) throw gone()
  return found
}

/** Fetches a message; undefined if there is none. */
async function messageAt(
  caller: Caller,
  chat: number | string,
  message: number,
): Promise<tl.TypeMessage | undefined> {
  const id: tl.TypeInputMessage[] = [{ _: 'inputMessageID', id: message }]
  const isChannel = typeof chat === 'number' && chat <= -CHANNEL_MARK
  const peer = isChannel ? undefined : await caller.peer(chat)
  const found =
    peer === undefined || peer._ === 'inputPeerChannel'
      ? await caller.call({ _: 'channels.getMessages', channel: await caller.channel(chat), id })
      : await caller.call({ _: 'messages.getMessages', id })
  if (found._ === 'messages.messagesNotModified') return undefined
  return found.messages.find((each) => each.id === message && each._ !== 'messageEmpty')
}

function gone(): SentinelError {
  return new SentinelError(
    'mtproto.transfer',
    'mtproto.download: the file is no longer where it came from, or its message has another one now. Look it up again.',
  )
}
