import type { Update, UserFromGetMe } from 'grammy/types'
import { z } from 'zod'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { redacted } from '../../core/redact.js'
import type { CallResult } from '../bot-api/calls.js'

/** An update that began to wait for a bot. */
export interface UpdateEntry {
  readonly update: Update
  readonly to: number
  readonly at: Ms
}

/** A call that a bot made; without a result its connection was cut. */
export interface CallEntry {
  readonly call: string
  readonly by: number
  readonly at: Ms
  readonly params: Readonly<Record<string, unknown>>
  readonly result?: CallResult
}

/** What was recorded, in the order it came about. */
export interface Run {
  readonly startedAt: Ms
  readonly bots: readonly UserFromGetMe[]
  readonly entries: readonly (UpdateEntry | CallEntry)[]
}

/**
 * How a bot gets its updates and learns who it is: replayed it may go about that in another way, so none of it is recorded.
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

/** A line a thing, so that a diff of two runs reads well: what it is, the bots, then what happened. */
export function write({ startedAt, bots, entries }: Run): string {
  const lines = [{ format: FORMAT, version: VERSION, startedAt }, ...bots.map((bot) => ({ bot })), ...entries]
  return `${lines.map((line) => JSON.stringify(line, withoutSecrets)).join('\n')}\n`
}

const SECRETS = /^(?:secret_token|provider_token|(?:bot_?)?token|password)$/i

/** Whatever is named a secret, and whatever looks like a token, wherever it stands. */
export function withoutSecrets(name: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  return SECRETS.test(name) && value !== '' ? '<redacted>' : redacted(value)
}

const head = z.object({ format: z.literal(FORMAT), version: z.literal(VERSION), startedAt: z.number() })
const line = z.union([
  z.object({ bot: z.looseObject({ id: z.int(), username: z.string() }) }),
  z.object({ update: z.looseObject({ update_id: z.int() }), to: z.int(), at: z.number() }),
  z.object({
    call: z.string(),
    by: z.int(),
    at: z.number(),
    params: z.record(z.string(), z.unknown()),
    result: z
      .union([
        z.object({ ok: z.literal(true), result: z.unknown() }),
        z.looseObject({ ok: z.literal(false), error_code: z.int(), description: z.string() }),
      ])
      .optional(),
  }),
])

/** @throws SentinelError `telegram.invalid` for what is no recording, naming the line. */
export function read(text: string): Run {
  const lines = text.split('\n').filter((content) => content.trim() !== '')
  const first = head.safeParse(parsed(lines[0] ?? '', 1))
  if (!first.success)
    throw invalid(
      `line 1 is not {"format":"${FORMAT}","version":${VERSION}}: it is no recording, or a later one`,
    )
  const rest = lines.slice(1).map((content, index) => {
    const found = line.safeParse(parsed(content, index + 2))
    if (!found.success) throw invalid(`line ${index + 2} is neither a bot, nor an update, nor a call`)
    return found.data
  })
  // What Telegram would send is for the bot to judge; a recording edited by hand may hold anything.
  const bots = rest.flatMap((entry) => ('bot' in entry ? [entry.bot as unknown as UserFromGetMe] : []))
  const entries = rest.flatMap((entry) =>
    'bot' in entry ? [] : [entry as unknown as UpdateEntry | CallEntry],
  )
  const stranger = entries.findIndex((entry) => !bots.some(({ id }) => id === botOf(entry)))
  if (stranger >= 0) throw invalid(`line ${stranger + bots.length + 2} names a bot that no line introduces`)
  return { startedAt: first.data.startedAt, bots, entries }
}

export function botOf(entry: UpdateEntry | CallEntry): number {
  return 'update' in entry ? entry.to : entry.by
}

function parsed(content: string, number: number): unknown {
  try {
    return JSON.parse(content)
  } catch {
    throw invalid(`line ${number} is no JSON`)
  }
}

function invalid(what: string): SentinelError {
  return new SentinelError('telegram.invalid', `replays: ${what}. Give the text that recording.text() wrote.`)
}
