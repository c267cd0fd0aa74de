import { type Duration, type Ms, parseDuration } from '../../core/duration.js'
import { endsWithin } from '../../core/in-time.js'
import type { Services } from '../services.js'
import type { ChainPlan } from './chain-plan.js'

/** The default time for closing; an update also waits at most this long for a place by default. */
const WITHIN: Duration = '30s'

/** A chain, as far as it is asked about updates that it holds back. */
interface HoldingChain {
  /** Adds how many updates guards hold back now, by guard. */
  waiting(held: Map<string, number>): unknown
}

/** The chain of a sentinel, as far as closing and flushing use it. */
interface ClosingChain extends HoldingChain {
  /** The chain, and those in front of single handlers behind it. */
  readonly within: readonly { readonly plan: Pick<ChainPlan, 'wired'> }[]
  unfinished(): ReadonlyMap<string, number>
  drain(): Promise<void>
}

/** What has to be finished before a sentinel is closed. */
export interface Unfinished {
  readonly services: Services
  readonly chain: ClosingChain
  /** Chains that other options have replaced, by the promise of their drain. */
  readonly draining: ReadonlyMap<Promise<void>, HoldingChain>
}

/** Returns how many updates guards hold back now, by guard, including guards of replaced options. */
export function heldIn({ chain, draining }: Unfinished): Readonly<Record<string, number>> {
  const held = new Map<string, number>()
  for (const each of [chain, ...draining.values()]) each.waiting(held)
  return Object.fromEntries(held)
}

/** Has everything handled that guards hold back, including guards of replaced options, and waits for the handlers. */
async function handleHeld({ services, chain, draining }: Unfinished): Promise<void> {
  services.shared.closing = true
  await chain.drain()
  await Promise.all([...draining.keys(), ...[...services.shared.stragglers].map((each) => each.drain())])
}

/**
 * Finishes everything that a sentinel has begun, but within a bounded time: a handler that hangs must not keep a process alive.
 * When the time is up, a warning lists what is left, and what still waits for its turn is dropped, so that no handler starts when
 * everything is closed. Returns how much of the time remains.
 *
 * @throws SentinelError `duration.invalid`.
 */
export async function finishInTime(
  within: Duration | undefined,
  left: Unfinished,
  webhooks: ReadonlySet<{ readonly size: number; drain(within: Ms): Promise<unknown> }>,
  calls: { close(): Promise<void> },
): Promise<Ms> {
  const span = parseDuration(within ?? WITHIN, 'close.within')
  const { services, chain } = left
  const { shared, steady, timers } = services
  const until = steady() + span
  const work = async (): Promise<void> => {
    await Promise.all([...webhooks].map((webhook) => webhook.drain(span)))
    await handleHeld(left)
    // Ends the waits of calls behind a 429: notices are not worth waiting for, in contrast to the calls of the handlers above.
    await calls.close()
    await handleHeld(left)
    await services.background.drain()
    // Last, since a failure above raises an event, which may run more hooks.
    await services.hooksAside.drain()
  }
  if (await endsWithin(work(), span, timers)) return until - steady()
  await calls.close()
  // The webhooks may have taken all of the time, so the rest is begun here.
  shared.closing = true
  chain.drain().catch((error: unknown) => services.failed(error, 'close'))
  services.warn(
    'close.unfinished',
    `guard.close(): some work had not ended after ${span} ms (${unfinishedText(left, webhooks)}) and is no longer waited for. Limit how long handlers wait, or allow more time: guard.close('1m').`,
  )
  // The drain that was begun has put the bursts in use among the earlier ones.
  for (const all of shared.earlierBursts.values()) for (const bursts of all) bursts.drop()
  for (const refuse of shared.refusals) refuse()
  return 0
}

/** Names what is left, with counts. */
function unfinishedText(left: Unfinished, webhooks: ReadonlySet<{ readonly size: number }>): string {
  const { services, chain, draining } = left
  const counts = [
    ['webhook', [...webhooks].reduce((sum, { size }) => sum + size, 0)],
    ...chain.unfinished(),
    ['earlier options', draining.size + services.shared.stragglers.size],
    ['background', services.background.size],
    ['hooks', services.hooksAside.size],
    ['not handled', Object.values(heldIn(left)).reduce((sum, count) => sum + count, 0)],
  ] as const
  return counts.flatMap(([name, count]) => (count > 0 ? [`${name}: ${count}`] : [])).join(', ')
}
