import type { Update, UserFromGetMe } from 'grammy/types'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { redacted } from '../../core/redact.js'
import type { CallResult } from '../bot-api/calls.js'

/** An update queued for a bot. */
export interface UpdateEntry {
  readonly update: Update
  readonly to: number
  readonly at: Ms
}

/** A call made by a bot; without `result` if the connection was cut. */
export interface CallEntry {
  readonly call: string
  readonly by: number
  readonly at: Ms
  readonly params: Readonly<Record<string, unknown>>
  readonly result?: CallResult
}

/** The content of a recording, in chronological order. */
export interface Run {
  readonly startedAt: Ms
  readonly bots: readonly UserFromGetMe[]
  readonly entries: readonly (UpdateEntry | CallEntry)[]
}

/**
 * Methods by which a bot gets its updates and learns who it is. Not recorded, because in a replay the bot may do this
 * differently.
 */
export const TRANSPORT: ReadonlySet<string> = new Set([
  'getUpdates',
  'getMe',
  'setWebhook',
  'deleteWebhook',
  'getWebhookInfo',
  'logOut',
  'close',
])

const FORMAT = 'grammy-sentinel recording'
const VERSION = 1

/** Writes one object per line, so that diffs of two recordings are readable: the format, the bots, then the updates and calls. */
export function write({ startedAt, bots, entries }: Run): string {
  const lines = [{ format: FORMAT, version: VERSION, startedAt }, ...bots.map((bot) => ({ bot })), ...entries]
  return `${lines.map((line) => JSON.stringify(line, withoutSecrets)).join('\n')}\n`
}

const SECRETS = /^(?:secret_token|provider_token|(?:bot_?)?token|password)$/i

/** JSON replacer that redacts values of secret fields, and anything that looks like a bot token. */
export function withoutSecrets(name: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  return SECRETS.test(name) && value !== '' ? '<redacted>' : redacted(value)
}

/** @throws SentinelError `telegram.invalid` if the text is not a recording, naming the line. */
export function read(text: string): Run {
  const lines = text.split('\n').filter((content) => content.trim() !== '')
  const { format, version, startedAt } = parsed(lines[0] ?? '', 1)
  if (format !== FORMAT || version !== VERSION || typeof startedAt !== 'number')
    throw invalid(
      `line 1 is not {"format":"${FORMAT}","version":${VERSION}}: it is not a recording, or one of a later version`,
    )
  const bots: UserFromGetMe[] = []
  const entries: (UpdateEntry | CallEntry)[] = []
  lines.slice(1).forEach((content, index) => {
    const line = parsed(content, index + 2)
    // Updates are not validated further: a recording edited by hand may hold anything, and the bot has to cope with it.
    if (isBot(line.bot)) bots.push(line.bot)
    else if (isUpdate(line) || isCall(line)) entries.push(line)
    else throw invalid(`line ${index + 2} is neither a bot, nor an update, nor a call`)
    const last = entries.at(-1)
    if (last !== undefined && !bots.some(({ id }) => id === botOf(last)))
      throw invalid(`line ${index + 2} names a bot that no line before it introduces`)
  })
  return { startedAt, bots, entries }
}

type Line = Readonly<Record<string, unknown>>

function isBot(bot: unknown): bot is UserFromGetMe {
  return isObject(bot) && Number.isSafeInteger(bot.id) && typeof bot.username === 'string'
}

function isUpdate(line: Line): line is Line & UpdateEntry {
  const { update, to, at } = line
  return isObject(update) && Number.isSafeInteger(update.update_id) && isMoment(to, at)
}

function isCall(line: Line): line is Line & CallEntry {
  const { call, by, at, params, result } = line
  const answered = isObject(result) && (result.ok === true || Number.isInteger(result.error_code))
  return (
    typeof call === 'string' && isMoment(by, at) && isObject(params) && (result === undefined || answered)
  )
}

function isMoment(bot: unknown, at: unknown): boolean {
  return Number.isSafeInteger(bot) && typeof at === 'number'
}

function isObject(value: unknown): value is Line {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function botOf(entry: UpdateEntry | CallEntry): number {
  return 'update' in entry ? entry.to : entry.by
}

function parsed(content: string, number: number): Line {
  try {
    const line: unknown = JSON.parse(content)
    return isObject(line) ? line : {}
  } catch {
    throw invalid(`line ${number} is no JSON`)
  }
}

function invalid(what: string): SentinelError {
  return new SentinelError('telegram.invalid', `replays: ${what}. Give the text that recording.text() wrote.`)
}
