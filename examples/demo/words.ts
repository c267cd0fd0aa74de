import { stripVTControlCharacters } from 'node:util'
import type { Denied, Verdict } from 'grammy-sentinel'

/** A verdict in a few words. */
export function verdictInWords(verdict: Verdict | undefined): string {
  if (verdict === undefined) return ''
  return verdict.allowed ? 'passed' : `stopped by ${guardInWords(verdict)}`
}

function guardInWords({ guard, limit, reason, retryAfterMs, note }: Denied): string {
  const name = limit === '' ? guard : `${guard}.${limit}`
  const why = note === undefined ? reason : `${reason}, ${oneLine(note)}`
  // A claim that is held for a day is not worth waiting for either.
  if (retryAfterMs > 3_600_000) return `${name}: ${why}`
  return `${name}: ${why}, again in ${(retryAfterMs / 1000).toFixed(1)} s`
}

/** What somebody wrote, fit for a terminal: on one line, without what could command it, and cut. */
export function oneLine(text: string, most = 40): string {
  const plain = stripVTControlCharacters(text)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
  const characters = [...plain]
  return characters.length <= most ? plain : `${characters.slice(0, most - 1).join('')}…`
}

/** What went wrong, without the token: messages of network errors name the address, and it is in there. */
export function errorInWords(error: unknown, token: string): string {
  const message = error instanceof Error ? error.message : String(error)
  return oneLine(token === '' ? message : message.replaceAll(token, '<token>'), 200)
}
