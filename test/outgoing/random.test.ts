import fc from 'fast-check'
import type { ApiResponse } from 'grammy/types'
import type { Ms } from '../../src/core/duration.js'
import { readOutgoing } from '../../src/outgoing/options.js'
import { Sender } from '../../src/outgoing/sender.js'
import { Stage } from '../middleware/rig.js'
import { tick } from '../sentinel/desk.js'

/** A call of a bot: when, to whom, and how long Telegram takes to answer each attempt. */
interface Planned {
  readonly at: Ms
  readonly chat: number
  readonly takes: Ms
  readonly abortAfter: Ms | undefined
}
/** A span in which Telegram answers 429 for one chat, or for all. */
interface Trouble {
  readonly from: Ms
  readonly seconds: number
  readonly chat: number | undefined
}

const STEP: Ms = 50
const MAX_WAIT: Ms = 6000
const ATTEMPTS = 3
/** The longest wait in the answers of this Telegram. */
const LONGEST: Ms = 13_000
const CHATS = [1, 2, 3, 4, 5, 6, 7]

const planned: fc.Arbitrary<Planned> = fc.record({
  at: fc.integer({ min: 0, max: 100 }).map((steps) => steps * STEP),
  chat: fc.constantFrom(...CHATS),
  takes: fc.integer({ min: 0, max: 10 }).map((steps) => steps * STEP),
  abortAfter: fc.option(
    fc.integer({ min: 0, max: 80 }).map((steps) => steps * STEP),
    { nil: undefined, freq: 8 },
  ),
})
const trouble: fc.Arbitrary<Trouble> = fc.record({
  from: fc.integer({ min: 0, max: 100 }).map((steps) => steps * STEP),
  seconds: fc.integer({ min: 1, max: 8 }),
  chat: fc.option(fc.constantFrom(...CHATS), { nil: undefined, freq: 4 }),
})

interface Seen {
  readonly number: number
  readonly chat: number
  readonly begun: Ms
  attempts: number
  /** The times of its 429 answers. */
  readonly refused: Ms[]
  inFlight: boolean
  /** How long it was under way, over all attempts. */
  flown: Ms
  ended: Ms | undefined
  fate: 'sent' | 'limited' | 'called off' | undefined
}

test('with random answers of Telegram, no call is too early or out of order, and no state is left', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(planned, { minLength: 1, maxLength: 40 }),
      fc.array(trouble, { maxLength: 6 }),
      fc.constantFrom('flood' as const, 'chat' as const),
      async (calls, troubles, order) => {
        const time = new Stage()
        const start = time.now
        const now = (): Ms => time.now - start
        const sender = new Sender(
          readOutgoing({ attempts: ATTEMPTS, maxWait: MAX_WAIT, jitter: 0, maxWaiting: 20, order }),
          {
            clock: time.clock,
            timers: time.timers,
            random: () => 0,
            limited: () => undefined,
            migrated: () => undefined,
            failed: (error) => {
              throw error
            },
          },
        )
        const all: Seen[] = []
        const closedUntil = new Map<number, Ms>()
        const after = (ms: Ms): Promise<void> =>
          ms === 0 ? Promise.resolve() : new Promise((done) => time.timers.after(ms, done))

        const make = async (seen: Seen, takes: Ms): Promise<ApiResponse<true>> => {
          const begun = now()
          expect(begun).toBeGreaterThanOrEqual(closedUntil.get(seen.chat) ?? 0)
          const waiting = all.filter(
            (other) => other.chat === seen.chat && other.fate === undefined && !other.inFlight,
          )
          expect(Math.min(...waiting.map(({ number }) => number))).toBe(seen.number)
          if (order === 'chat') {
            const others = all.filter(({ chat, inFlight }) => chat === seen.chat && inFlight)
            expect(others).toEqual([])
          }
          seen.attempts++
          seen.inFlight = true
          await after(takes)
          seen.inFlight = false
          seen.flown += now() - begun
          const end = Math.max(
            0,
            ...troubles
              .filter(({ chat, from }) => (chat ?? seen.chat) === seen.chat && from <= now())
              .map(({ from, seconds }) => from + seconds * 1000),
          )
          if (end <= now()) return { ok: true, result: true }
          seen.refused.push(now())
          const seconds = Math.ceil((end - now()) / 1000)
          closedUntil.set(seen.chat, Math.max(closedUntil.get(seen.chat) ?? 0, now() + seconds * 1000))
          const parameters = { retry_after: seconds }
          return { ok: false, error_code: 429, description: 'Too Many Requests', parameters }
        }

        const go = async ({ chat, takes, abortAfter }: Planned): Promise<void> => {
          const seen: Seen = {
            number: all.length,
            chat,
            begun: now(),
            attempts: 0,
            refused: [],
            inFlight: false,
            flown: 0,
            ended: undefined,
            fate: undefined,
          }
          all.push(seen)
          const away = new AbortController()
          if (abortAfter !== undefined) time.timers.after(abortAfter, () => away.abort())
          try {
            const answer = await sender.send('sendMessage', { chat_id: chat, text: 'x' }, away.signal, () =>
              make(seen, takes),
            )
            seen.fate = answer.ok ? 'sent' : 'limited'
          } catch (error) {
            if (!away.signal.aborted) throw error
            seen.fate = 'called off'
          }
          seen.ended = now()
        }

        const running: Promise<void>[] = []
        const due = calls.toSorted((a, b) => a.at - b.at)
        while (now() < 100 * STEP + 4 * MAX_WAIT) {
          while (due[0] !== undefined && due[0].at <= now()) running.push(go(due.shift() as Planned))
          await tick()
          time.advance(STEP)
          await tick()
        }
        await Promise.all(running)
        const refusals = all.flatMap(({ chat, refused }) => refused.map((at) => ({ chat, at })))
        // When five chats were refused within a second, the whole bot pauses until the time given to one of them.
        const floods = refusals
          .map(({ at }) => at)
          .filter(
            (at) =>
              new Set(refusals.filter((one) => one.at <= at && one.at >= at - 1000).map(({ chat }) => chat))
                .size >= 5,
          )
        for (const seen of all) {
          expect(seen.fate).toBeDefined()
          // Refusals to the bot as a whole do not count as attempts of a call.
          const spared = seen.refused.filter((at) =>
            floods.some((flood) => flood >= at - LONGEST && flood <= at + 1000),
          )
          expect(seen.attempts - spared.length).toBeLessThanOrEqual(ATTEMPTS)
          expect((seen.ended as Ms) - seen.begun - seen.flown).toBeLessThanOrEqual(MAX_WAIT + STEP)
        }
        time.advance(60_000)
        expect([sender.waiting, sender.paused]).toEqual([0, 0])
      },
    ),
    { numRuns: 40 },
  )
})
