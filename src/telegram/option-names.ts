import { SentinelError } from '../core/errors.js'
import { hintAt } from '../core/nearest.js'
import type { TelegramOptions } from './options.js'

type Known = Readonly<Partial<Record<keyof TelegramOptions, true>>>

const INSIDE = {
  clock: true,
  patience: true,
  webhookRetry: true,
  webhookTimeout: true,
  limits: true,
} as const
const WITH_PORT: Required<Known> = { ...INSIDE, port: true, host: true, hostNames: true, control: true }

const OPTIONS = { createTelegram: INSIDE, startTelegram: WITH_PORT } satisfies Record<string, Known>

/**
 * Rejects unknown option names: with `clok` for `clock`, a test would silently run in real time.
 *
 * @throws SentinelError `option.unknown`.
 */
export function checkTelegramOptions(options: TelegramOptions, what: keyof typeof OPTIONS): void {
  const known = Object.keys(OPTIONS[what])
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new SentinelError(
    'option.unknown',
    `${what}: there is no option "${unknown}".${hintAt(unknown, known)} Options: ${known.join(', ')}.`,
  )
}
