import type { ResponseParameters } from 'grammy/types'

/** A refusal by Telegram. The Bot API returns it as an error response; simulated people turn it into a `SentinelError`. */
export class Refusal extends Error {
  override readonly name = 'Refusal'

  constructor(
    readonly code: number,
    readonly description: string,
    readonly parameters?: ResponseParameters,
  ) {
    super(description)
  }
}

export const badRequest = (what: string) => new Refusal(400, `Bad Request: ${what}`)
export const forbidden = (what: string) => new Refusal(403, `Forbidden: ${what}`)
