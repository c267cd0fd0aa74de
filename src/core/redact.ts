/** A bot's token: its id, a colon and a secret. It is part of every URL of the Bot API. */
const TOKEN = /(?<!\d)(\d{5,16}(?::|%3A))[A-Za-z0-9_-]{20,}/gi
/**
 * The password of a connection string. It may contain an `@`: it ends at the last one before the path, or before the closing
 * quote in JSON. The length is bounded because an unbounded match in a long text could exhaust the stack.
 */
const PASSWORD = /((?<![a-z0-9+.-])[a-z0-9+.-]+:\/\/[^\s:/@]{0,1024}:)[^\s/"]{1,1024}@/gi

/**
 * Formats an error for a log: with its stack, but without tokens, passwords and attached objects. Never throws: any value may be
 * thrown, also one that has no text.
 */
export function errorText(error: unknown, withStack = true): string {
  try {
    // `Error.prepareStackTrace` may replace the text by a list of call sites.
    const stack = withStack && error instanceof Error && error.stack
    return redacted(typeof stack === 'string' ? stack : String(error))
  } catch {
    return 'a value without a text'
  }
}

/** Removes the secrets from a text that errors and URLs may contain. */
export function redacted(text: string): string {
  return text.replace(TOKEN, '$1<redacted>').replace(PASSWORD, '$1<redacted>@')
}
