import type { SentinelOptions } from '../../src/index.js'
import { type Desk, desk, tick } from '../sentinel/desk.js'

/* The desk of one test, which opened() makes. Importing this file closes the desk after every test. */

export let on: Desk
afterEach(() => on.guard.close())

export const nothing = (): void => undefined
export const LIMIT = { throttle: { limit: '2/1m', deny: 'silent' } } as const

export function opened(options: SentinelOptions = {}, handlers?: Parameters<typeof desk>[1]): Desk {
  on = desk(options, handlers)
  // Ignores the warning that this desk delivers no membership updates.
  on.guard.on('warning', () => undefined)
  return on
}

/** Advances the clock until the work is done. */
export async function pass(work: Promise<unknown>, ms = 20_000): Promise<void> {
  let done = false
  const ended = work.finally(() => {
    done = true
  })
  for (let passed = 0; !done && passed < ms; passed += 50) {
    await tick()
    on.time.advance(50)
  }
  await ended
}

export const left = async (user = 1): Promise<number | undefined> =>
  (await on.guard.peek(user, 'user')).find(({ name }) => name === 'user')?.remaining
