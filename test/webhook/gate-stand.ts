import type { SentinelOptions } from '../../src/index.js'
import { says } from '../sentinel/desk.js'
import { type Stand, stand } from './stand.js'

/** Records which updates were parsed: middleware in front of the guard sees exactly those. */
export function parsing(options: SentinelOptions = {}): Stand & { readonly parsed: number[] } {
  const at = stand({ throttle: '2/1m', ...options })
  const parsed: number[] = []
  const handle = at.bot.handleUpdate.bind(at.bot)
  at.bot.handleUpdate = (update, envelope) => {
    parsed.push(update.update_id)
    return handle(update, envelope)
  }
  return { ...at, parsed }
}

/** Delivers messages of one user, all of which must be answered. */
export async function flood(at: Stand, from: number, times: number): Promise<void> {
  for (let i = 0; i < times; i++) expect(await at.deliver(says(from, 'flood'))).toBe(200)
}
