/** The code with which Telegram refused a call; undefined if it did not answer. */
export function refusalCode(error: unknown): unknown {
  return error instanceof Error && 'error_code' in error ? error.error_code : undefined
}
