import { HttpError, InputFile } from 'grammy'
import type { ApiError, ApiResponse } from 'grammy/types'
import type { Ms } from '../core/duration.js'
import { chatKey, keyText, ownKey } from '../core/subject.js'

/** Methods that write messages, which Telegram counts for all chats together. */
const SENDS = /^(?:send(?!ChatAction)|forward|copy|postStory)/

/** Methods that people see something of in the chat. */
const WRITES = /^(?:send|forward|copy|edit|post)/

/**
 * Methods that come to the same when they are called twice. All others write something anew, take money, or make something that
 * would then be there twice.
 */
const SAFE =
  /^(?:(?:get|set|edit|delete|answer|pin|unpin|ban|unban|restrict|promote|approve|decline|reopen|hide|unhide|leave|read|remove|verify|revoke)[A-Z]|close(?:General)?ForumTopic$|sendChatAction$|stopMessageLiveLocation$|stopPoll$)/

/** Methods that put a photo on top of a profile's others, or take it away: twice, it is there twice, or what was beneath it goes, too. */
const TOPMOST = /^(?:set|remove)\w+ProfilePhoto$/

/** Whether a call may be made again when nobody knows whether it took effect. */
export function isSafe(method: string, payload?: unknown): boolean {
  // Without an id the latest pinned message is unpinned, so a second call would unpin another one.
  if (method === 'unpinChatMessage') return field(payload, 'message_id') !== undefined
  return SAFE.test(method) && !TOPMOST.test(method)
}

/** Whether a call writes messages. */
export function isSending(method: string): boolean {
  return SENDS.test(method)
}

/** Whether a call writes to a chat, or changes what is written there. */
export function isWriting(method: string): boolean {
  return WRITES.test(method)
}

/** The chat that a call names; undefined where it concerns none. */
export function chatIn(payload: unknown): number | string | undefined {
  const chat = field(payload, 'chat_id')
  return typeof chat === 'number' || (typeof chat === 'string' && chat !== '') ? chat : undefined
}

/** The text that stands for a chat in the keys of lanes and marks. */
export function chatText(chat: number | string): string {
  const id = typeof chat === 'number' ? chat : /^-?\d{1,16}$/.test(chat) ? Number(chat) : undefined
  // Upper and lower case make no difference in the names of channels.
  return keyText(id === undefined ? ownKey(String(chat).toLowerCase().slice(0, 64)) : chatKey(id))
}

/** How long Telegram asks to wait; undefined where it does not. */
export function waitIn(answer: ApiResponse<unknown>): Ms | undefined {
  if (answer.ok || answer.error_code !== 429) return undefined
  const seconds = answer.parameters?.retry_after
  // A proxy in front of Telegram may answer 429 and tell nothing.
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : 1000
}

/** What Telegram would answer to a call that is not even made. */
export function tooMany(wait: Ms): ApiError {
  const seconds = Math.max(1, Math.ceil(wait / 1000))
  return {
    ok: false,
    error_code: 429,
    description: `Too Many Requests: retry after ${seconds}`,
    parameters: { retry_after: seconds },
  }
}

/** How deep files lie in what is sent: a sticker set's stickers, an album's media and their thumbnails. */
const DEEPEST = 4

/** Whether a file in it came from a stream, which is read by now: it cannot be sent again. */
export function isSpent(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || depth > DEEPEST) return false
  if (value instanceof InputFile) return field(value, 'consumed') === true
  return Object.values(value).some((inner) => isSpent(inner, depth + 1))
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** The part of a signal that is used: grammY brings a type of its own. */
export interface Abortable {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

interface CalledOff {
  readonly method: string
  readonly signal: Abortable | undefined
}

/** As grammY tells of a call that was called off on its way. */
export function calledOff({ method, signal }: CalledOff): HttpError {
  return new HttpError(
    `The call of '${method}' was called off while it waited.`,
    signal?.reason ?? new DOMException('This operation was aborted', 'AbortError'),
  )
}
