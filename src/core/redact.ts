/** A bot's token: its id, a colon and a secret. It is part of every URL of the Bot API. */
const TOKEN = /(?<!\d)(\d{5,16}(?::|%3A))[A-Za-z0-9_-]{20,}/gi
/**
 * The password of a connection string. It may hold an `@`: the last one before the path, or the end of a text in JSON, ends it. Nobody's is
 * longer than this, and a text without an end would take more stack than there is.
 */
const PASSWORD = /((?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/[^\s:/@]{0,1024}:)[^\s/"]{1,1024}@/gi

/** An error as text for a log: with its stack, without tokens and passwords, and without the objects it drags along. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : String(error)
  return redacted(text)
}

/** A text without the secrets that errors and URLs carry. */
export function redacted(text: string): string {
  return text.replace(TOKEN, '$1<redacted>').replace(PASSWORD, '$1<redacted>@')
}
