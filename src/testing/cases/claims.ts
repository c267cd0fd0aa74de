import type { Ask } from '../../core/check.js'
import { matches, near, same } from '../expecting.js'
import { ALICE, askOf, BOB, type Case, claim, limited } from '../stand.js'

function casesOf(tokens: 'sequence' | 'digest'): Case[] {
  const name = (of: string): string => `a claim on a ${tokens} ${of}`
  return [
    {
      name: name('is taken once, and can be taken again from the moment when it lapses'),
      async run(stand) {
        const judge = await stand.prepare(claim({ tokens }))
        same(await stand.admits(judge, ALICE, 1, 4095), true)
        matches(await stand.ask(judge, ALICE, 1, 4095), { refusedBy: 0, retryAfterMs: 1000 })
        same(await stand.admits(judge, ALICE, 1, 4096), true)
        same(await stand.admits(judge, BOB, 1, 4095), true)
        stand.now += 999
        same(await stand.admits(judge, ALICE, 1, 4095), false)
        stand.now += 1
        same(await stand.admits(judge, ALICE, 1, 4095), true)
      },
    },
    {
      name: name('distinguishes the largest tokens'),
      async run(stand) {
        const judge = await stand.prepare(claim({ tokens }))
        const large = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1, 2 ** 32, 2 ** 32 + 1, 0]
        for (const token of large)
          same(await stand.admits(judge, ALICE, 1, token), true, `the first of ${token}`)
        for (const token of large)
          same(await stand.admits(judge, ALICE, 1, token), false, `the second of ${token}`)
      },
    },
    {
      name: name('that is released may be taken again, and the checks after it are not charged again'),
      async run(stand) {
        const judge = await stand.prepare(
          claim({ tokens, retry: true }),
          limited('log', { amount: 1, per: 60_000 }),
        )
        const first = await stand.admission(judge)
        same(await stand.admits(judge), false)
        await judge.settle(first, 'release')
        const second = await stand.ask(judge)
        matches(second, { refusedBy: -1, waived: true })
        // The first holder has lost the claim, so this has no effect.
        await judge.settle(first, 'release')
        same(await stand.admits(judge), false)
        if (second.receipt !== undefined) await judge.settle(second.receipt, 'complete')
        same(await stand.admits(judge), false)
      },
    },
    {
      name: name('on a lease lapses unless it is completed'),
      async run(stand) {
        const judge = await stand.prepare(claim({ tokens, lease: 100, retry: true }))
        const first = await stand.admission(judge)
        matches(await stand.ask(judge), { refusedBy: 0, retryAfterMs: 100 })
        stand.now += 100
        const second = await stand.admission(judge)
        // Too late, because another holder has the claim.
        await judge.settle(first, 'complete')
        matches(await stand.ask(judge), { refusedBy: 0, retryAfterMs: 100 })
        await judge.settle(second, 'complete')
        matches(await stand.ask(judge), { refusedBy: 0, retryAfterMs: 1000 })
      },
    },
    {
      name: name('is won by one of many simultaneous asks'),
      async run(stand) {
        const judge = await stand.prepare(claim({ tokens }), limited('log', { amount: 99, per: 60_000 }))
        const asks = Array.from({ length: 60 }, (_, nth) =>
          judge.evaluate(askOf(ALICE, 1, nth % 3), stand.now),
        )
        const admitted = (await Promise.all(asks)).filter(({ refusedBy }) => refusedBy === -1)
        same(admitted.length, 3, 'how many were admitted')
        same((await stand.peek(judge, ALICE, 1, 5)).remaining[1], 95)
      },
    },
  ]
}

/** Claims, as used for `once`, double taps, albums and leases. */
export const claimCases: readonly Case[] = [
  ...casesOf('sequence'),
  ...casesOf('digest'),
  {
    name: 'an album is charged once, and its parts are decided like the first',
    async run(stand) {
      const onRefusal = { penalty: { after: 2, within: 1000, bans: [50] }, noticeEvery: 1000 }
      const judge = await stand.prepare(
        claim({ slot: 'album', whenHeld: 'waive' }),
        limited('log', { amount: 1, per: 5000 }, 'log', { onRefusal }),
      )
      matches(await stand.ask(judge, ALICE, 1, 7), { refusedBy: -1, waived: false })
      matches(await stand.ask(judge, ALICE, 1, 7), { refusedBy: -1, waived: true })
      const echo = { refusedBy: 1, cause: 'echo', notice: false, retryAfterMs: 1000 }
      matches(await stand.ask(judge, ALICE, 1, 8), { refusedBy: 1, cause: 'check', notice: true })
      // A repeated update does not count as another violation.
      for (let i = 0; i < 3; i++) matches(await stand.ask(judge, ALICE, 1, 8), echo)
    },
  },
  {
    name: 'the parts of an album that arrive at once are charged once',
    async run(stand) {
      const judge = await stand.prepare(
        claim({ slot: 'album', whenHeld: 'waive' }),
        limited('bucket', { amount: 3, per: 60_000 }),
      )
      const parts = Array.from({ length: 10 }, () => judge.evaluate(askOf(ALICE, 1, 7), stand.now))
      const decisions = await Promise.all(parts)
      same(decisions.filter(({ refusedBy, waived }) => refusedBy === -1 && waived).length, 9)
      same(decisions.filter(({ refusedBy, waived }) => refusedBy === -1 && !waived).length, 1)
      near((await stand.peek(judge, ALICE, 1, 8)).remaining[1], 1)
    },
  },
  {
    name: 'an ask that was waived cannot release a claim that another has taken',
    async run(stand) {
      const judge = await stand.prepare(
        claim({ slot: 'album', whenHeld: 'waive' }),
        claim({ slot: 'once', tokens: 'sequence', retry: true }),
      )
      const tokensOf = (album: number): Ask => ({ ...askOf(), tokens: [album, 7] })
      await judge.evaluate(tokensOf(1), stand.now)
      const { receipt, waived } = await judge.evaluate(tokensOf(1), stand.now)
      same(waived, true)
      if (receipt !== undefined) await judge.settle(receipt, 'release')
      same((await judge.evaluate(tokensOf(2), stand.now)).refusedBy, 1)
    },
  },
]
