import { HttpError, InputFile } from 'grammy'
import type { ApiError, ApiResponse } from 'grammy/types'
import type { Ms } from '../core/duration.js'
import { chatKey, keyText, ownKey } from '../core/subject.js'

/** Methods that send messages, which Telegram limits across all chats. */
const SENDS = /^(?:send(?!ChatAction)|forward|copy|postStory)/

/** Methods with a visible effect in a chat. */
const WRITES = /^(?:send|forward|copy|edit|post)/

/**
 * Methods with the same result when called twice. All others send something again, take money, or create a duplicate.
 */
const SAFE =
  /^(?:(?:get|set|edit|delete|answer|pin|unpin|ban|unban|restrict|promote|approve|decline|reopen|hide|unhide|leave|read|remove|verify|revoke)[A-Z]|close(?:General)?ForumTopic$|sendChatAction$|stopMessageLiveLocation$|stopPoll$)/

/** Methods that add or remove the topmost profile photo: a second call adds it again, or removes the one beneath. */
const TOPMOST = /^(?:set|remove)\w+ProfilePhoto$/

/** Whether a call may be repeated when it is unknown whether it took effect. */
export function isSafe(method: string, payload?: unknown): boolean {
  // Without an id the latest pinned message is unpinned, so a second call would unpin another one.
  if (method === 'unpinChatMessage') return field(payload, 'message_id') !== undefined
  return SAFE.test(method) && !TOPMOST.test(method)
}

/** Whether a call sends messages. */
export function isSending(method: string): boolean {
  return SENDS.test(method)
}

/** Whether a call sends to a chat, or changes something there. */
export function isWriting(method: string): boolean {
  return WRITES.test(method)
}

/** Returns the chat in a payload; undefined if the call concerns none. */
export function chatIn(payload: unknown): number | string | undefined {
  const chat = field(payload, 'chat_id')
  return typeof chat === 'number' || (typeof chat === 'string' && chat !== '') ? chat : undefined
}

/** Returns the text that identifies a chat in the keys of lanes and marks. A chat of a business account is another chat. */
function chatText(chat: number | string, connection: unknown): string {
  const id = typeof chat === 'number' ? chat : /^-?\d{1,16}$/.test(chat) ? Number(chat) : undefined
  // Names of channels are not case-sensitive.
  return keyText(
    id === undefined
      ? ownKey(String(chat).toLowerCase().slice(0, 64))
      : chatKey(id, String(connection ?? '')),
  )
}

/**
 * Returns the key of the lane that a call passes through. Telegram limits messages and edits by chat, or by inline message, and
 * other calls by chat and method: a flood of messages must not delay a ban.
 *
 * @param isStrict Whether all calls to a chat share one lane.
 */
export function laneKey(method: string, payload: unknown, isStrict: boolean): string {
  const chat = chatIn(payload)
  const inline = field(payload, 'inline_message_id')
  if (chat === undefined && typeof inline !== 'string') return `/${method}`
  const place =
    chat === undefined
      ? `inline ${String(inline).slice(0, 256)}`
      : chatText(chat, field(payload, 'business_connection_id'))
  return isStrict || isWriting(method) ? place : `${place} /${method}`
}

/** Returns how long Telegram asks to wait; undefined if the answer is not a 429. */
export function waitIn(answer: ApiResponse<unknown>): Ms | undefined {
  if (answer.ok || answer.error_code !== 429) return undefined
  const seconds = answer.parameters?.retry_after
  // A proxy in front of Telegram may answer 429 without `retry_after`.
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : 1000
}

/** Whether Telegram has processed a call, successfully or not, so that its rate is within the limits. */
export function isWithinLimits(answer: ApiResponse<unknown> | undefined): boolean {
  return answer !== undefined && (answer.ok || (answer.error_code !== 429 && answer.error_code < 500))
}

/** Returns the answer that Telegram would give to a call that is not sent because of a limit. */
export function tooMany(wait: Ms): ApiError {
  const seconds = Math.max(1, Math.ceil(wait / 1000))
  return {
    ok: false,
    error_code: 429,
    description: `Too Many Requests: retry after ${seconds}`,
    parameters: { retry_after: seconds },
  }
}

/** How deeply files are nested in payloads: the stickers of a set, the media of an album and their thumbnails. */
const DEEPEST = 4

/** Whether a payload has a file from a stream that was read already, so that the call cannot be repeated. */
export function isSpent(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || depth > DEEPEST) return false
  if (value instanceof InputFile) return field(value, 'consumed') === true
  return Object.values(value).some((inner) => isSpent(inner, depth + 1))
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** The part of an abort signal that is used; grammY has its own type for it. */
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

/** The error for a call that was aborted while it waited, as grammY reports it. */
export function calledOff({ method, signal }: CalledOff): HttpError {
  return new HttpError(
    `The call of '${method}' was called off while it waited.`,
    signal?.reason ?? new DOMException('This operation was aborted', 'AbortError'),
  )
}
