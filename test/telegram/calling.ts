import { GrammyError } from 'grammy'
import type { Telegram, TelegramBot } from '../../src/telegram/index.js'

export interface RawAnswer {
  readonly ok: boolean
  readonly result?: unknown
  readonly error_code?: number
  readonly description?: string
  readonly parameters?: { readonly retry_after?: number }
}

/** Calls a method without grammY, to see the raw answer. */
export function caller(apiRoot: string, bot: TelegramBot) {
  return async (method: string, params: Record<string, unknown> = {}): Promise<RawAnswer> => {
    const response = await fetch(`${apiRoot}/bot${bot.token}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(params),
    })
    const answer = (await response.json()) as RawAnswer
    expect(response.status).toBe(answer.ok ? 200 : answer.error_code)
    return answer
  }
}

export type Caller = ReturnType<typeof caller>

/** Fetches and confirms the pending updates of a bot. */
export async function updatesOf(
  call: Caller,
  allowed?: readonly string[],
): Promise<Record<string, unknown>[]> {
  const { result } = await call('getUpdates', allowed === undefined ? {} : { allowed_updates: allowed })
  const updates = result as { update_id: number }[]
  const last = updates.at(-1)
  if (last !== undefined) await call('getUpdates', { offset: last.update_id + 1 })
  return updates as unknown as Record<string, unknown>[]
}

/** Returns the description of a refused call; undefined if the call succeeds. */
export async function refusalOf(call: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await call.then(
    () => undefined,
    (reason) => reason,
  )
  if (error !== undefined && !(error instanceof GrammyError)) throw error
  return error?.description
}

/** Waits until a call has arrived, answered or not. */
export async function arrived(telegram: Telegram, method: string): Promise<void> {
  while (telegram.calls(method).length === 0) await new Promise(setImmediate)
}
