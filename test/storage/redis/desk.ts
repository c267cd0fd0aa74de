import type { Cluster, Redis } from 'ioredis'
import type { Ask, Check, Judge, Plan } from '../../../src/core/check.js'
import { GLOBAL_KEY, type Key, userKey } from '../../../src/core/subject.js'

export const BOT = 42
export const ALICE = userKey(7)
export const BOB = userKey(8)
export const ONES: readonly number[] = Array.from({ length: 31 }, () => 1)

export const blocked: Check = {
  kind: 'absent',
  guard: 'block',
  slot: 'block',
  subject: 0,
  anyOf: ['blocked'],
}

export function bucket(amount: number, per: number, slot = 'user'): Check {
  return { kind: 'bucket', guard: 'throttle', slot, subject: 0, limit: { amount, per } }
}

export function once(more: Partial<Check & { kind: 'claim' }> = {}): Check {
  const own = { tokens: 'sequence', holdFor: 3_600_000, whenHeld: 'refuse' } as const
  return { kind: 'claim', guard: 'once', slot: 'once', subject: 1, ...own, ...more }
}

export function claim(more: Partial<Check & { kind: 'claim' }> = {}): Check {
  const own = { tokens: 'digest', holdFor: 1000, whenHeld: 'refuse' } as const
  return { kind: 'claim', guard: 'debounce', slot: 'claim', subject: 0, ...own, ...more }
}

export function planOf(...checks: readonly Check[]): Plan {
  return { name: 'chain', scopes: ['user', 'bot'], checks }
}

export function askOf(key: Key = ALICE, tokens: readonly number[] = [], bot = BOT): Ask {
  return { bot, subjects: [key, GLOBAL_KEY], costs: ONES, tokens }
}

/** Five checks, as of a real bot. */
export const CHAIN: Plan = planOf(
  blocked,
  once(),
  claim({ slot: 'album', whenHeld: 'waive', holdFor: 10_000 }),
  claim({ slot: 'debounce', holdFor: 500 }),
  bucket(60_000, 60_000),
)

/** The checks of the default options, with their default limits. */
export const DEFAULT: Plan = {
  name: 'main',
  scopes: ['actor', 'bot', 'actor.inline', 'actor.edits'],
  checks: [
    blocked,
    once({ holdFor: 86_400_000 }),
    claim({ guard: 'throttle', slot: 'album', whenHeld: 'waive', holdFor: 10_000 }),
    claim({ slot: 'debounce', holdFor: 500 }),
    ...['user', 'inline', 'edits'].map((slot, index): Check => {
      const limit = { amount: 60, per: 60_000, burst: 30 }
      return { kind: 'bucket', guard: 'throttle', slot, subject: index === 0 ? 0 : index + 1, limit }
    }),
  ],
}

export async function admits(judge: Judge, ask: Ask = askOf()): Promise<boolean> {
  return (await judge.evaluate(ask)).refusedBy === -1
}

/** The number of script calls to a server, by name and by text, and of all calls. */
export async function calls(client: Redis): Promise<{ evalsha: number; eval: number; all: number }> {
  const text = await client.info('commandstats')
  const of = (name: string): number => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(text)?.[1] ?? 0)
  const all = Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1])
  return { evalsha: of('evalsha'), eval: of('eval'), all }
}

/** Clients of the masters of a cluster. */
export function nodesOf(cluster: Cluster): Redis[] {
  return cluster.nodes('master')
}
