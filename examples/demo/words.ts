import { stripVTControlCharacters } from 'node:util'
import type { Denied, Verdict } from 'grammy-sentinel'

/** Describes a verdict in a few words. */
export function verdictInWords(verdict: Verdict | undefined): string {
  if (verdict === undefined) return ''
  return verdict.allowed ? 'passed' : `stopped by ${guardInWords(verdict)}`
}

function guardInWords({ guard, limit, reason, retryAfterMs, note }: Denied): string {
  const name = limit === '' ? guard : `${guard}.${limit}`
  const why = note === undefined ? reason : `${reason}, ${oneLine(note)}`
  // A retry time of hours, such as that of a claim held for a day, is not worth showing.
  if (retryAfterMs > 3_600_000) return `${name}: ${why}`
  return `${name}: ${why}, again in ${(retryAfterMs / 1000).toFixed(1)} s`
}

/** Makes a text safe for the terminal: one line, without control sequences, shortened. */
export function oneLine(text: string, most = 40): string {
  const plain = stripVTControlCharacters(text)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
  const characters = [...plain]
  return characters.length <= most ? plain : `${characters.slice(0, most - 1).join('')}…`
}

/** Describes an error without the token, which is part of the address in messages of network errors. */
export function errorInWords(error: unknown, token: string): string {
  const message = error instanceof Error ? error.message : String(error)
  return oneLine(token === '' ? message : message.replaceAll(token, '<token>'), 200)
}
