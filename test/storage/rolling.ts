import type { Ask, Check, Judge } from '../../src/core/check.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { ALICE, admits, askOf, bucket, claim, once, planOf } from './redis/desk.js'

/*
 * Two workers with different releases of a bot on one storage: their plans alternate on the same user, and neither knows all slots of
 * the other.
 */

export const HOUR = 3_600_000

/** The storage as each worker has opened it, with one clock. */
export interface TwoReleases {
  readonly before: Storage
  readonly after: Storage
  readonly clock: { now: number }
}

export const window = (form: 'log' | 'counters' | 'fixed', amount = 5): Check => ({
  kind: 'window',
  form,
  guard: 'throttle',
  slot: form,
  subject: 0,
  limit: { amount, per: HOUR },
})

export const BOTH = bucket(100, HOUR, 'both')
export const OTHERS = [bucket(90, HOUR, 'new'), window('log', 90), claim({ slot: 'newer', holdFor: HOUR })]

export async function judgesOf(
  { before, after }: TwoReleases,
  ...own: readonly Check[]
): Promise<{ old: Judge; next: Judge }> {
  return {
    old: await before.prepare(planOf(...own, BOTH)),
    next: await after.prepare(planOf(BOTH, ...OTHERS)),
  }
}

/** What is left after another update. */
export const leftOf = async (judge: Judge, check: number, ask: Ask): Promise<number> =>
  Math.round(((await judge.peek(ask)).remaining[check] as number) * 1000) / 1000

/** Tests for every storage that two releases can use at the same time. */
export function keepWhatOnlyOneKnows(two: () => TwoReleases): void {
  test.each([
    ['a bucket', bucket(5, HOUR, 'own')],
    ['an exact window', { ...window('log'), slot: 'own' }],
    ['a window of two counters', window('counters')],
    ['a fixed window', window('fixed')],
  ])('%s', async (_, own) => {
    const { old, next } = await judgesOf(two(), own)
    for (let round = 1; round <= 5; round++) {
      expect(await admits(old)).toBe(true)
      expect(await admits(next, askOf(ALICE, [round]))).toBe(true)
    }
    const { refusedBy, retryAfterMs } = await old.evaluate(askOf())
    expect(refusedBy).toBe(0)
    expect(retryAfterMs).toBeGreaterThan(0)
    // Limits that both know were counted by both, once each.
    expect(await leftOf(next, 0, askOf(ALICE, [99]))).toBe(89)
    expect(await leftOf(next, 1, askOf(ALICE, [99]))).toBe(84)
  })

  test.each([
    ['a claim', claim({ slot: 'own', holdFor: HOUR })],
    ['a claim that may be retried', claim({ slot: 'own', holdFor: HOUR, retry: true })],
    ['a claim on a lease', claim({ slot: 'own', holdFor: HOUR, lease: 60_000 })],
    ['a claim on update ids', once({ slot: 'own', subject: 0, holdFor: HOUR })],
  ])('%s', async (_, own) => {
    const { old, next } = await judgesOf(two(), own)
    for (let token = 1; token <= 5; token++) {
      expect(await admits(old, askOf(ALICE, [token]))).toBe(true)
      expect(await admits(next, askOf(ALICE, [token]))).toBe(true)
      for (let past = 1; past <= token; past++) {
        expect(await admits(old, askOf(ALICE, [past]))).toBe(false)
        expect(await admits(next, askOf(ALICE, [past]))).toBe(false)
      }
    }
    // And not longer than they last.
    two().clock.now += HOUR
    for (let token = 1; token <= 5; token++) expect(await admits(old, askOf(ALICE, [token]))).toBe(true)
  })
}
