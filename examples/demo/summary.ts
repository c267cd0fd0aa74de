import type { Actor, Fact } from './cast.js'
import { type Account, type Ledger, stoppedBy } from './ledger.js'

/** How an actor was treated. */
export interface Treatment {
  readonly ok: boolean
  readonly name: string
  readonly role: string
  readonly expected: string
  readonly happened: string
}

/** Compares what happened to an actor with what the role expects; `trouble` is an error during play. */
export function treatmentOf(actor: Actor, seen: Account, trouble: string | undefined): Treatment {
  const decided = seen.passed + stoppedBy(seen.stopped)
  const facts: Fact[] = [...actor.facts(seen)]
  if (seen.reached !== seen.passed) facts.push({ ok: false, says: `${seen.reached} reached the bot` })
  if (decided !== actor.sent)
    facts.push({ ok: false, says: `${decided} of ${actor.sent} updates were decided` })
  if (trouble !== undefined) facts.push({ ok: false, says: trouble })
  return {
    ok: facts.every(({ ok }) => ok),
    name: actor.name,
    role: actor.role,
    expected: actor.expected,
    happened: facts.map(({ ok, says }) => (ok ? says : `${says} (!)`)).join('; '),
  }
}

/** Lists how each actor was treated, one per line. */
export function treatments(all: readonly Treatment[]): string[] {
  const wrong = all.filter(({ ok }) => !ok).map(({ name, role }) => `${name} (${role})`)
  return [
    ...all.flatMap(({ ok, name, role, expected, happened }) => [
      `${ok ? '✔' : '✘'} ${name}, ${role}: ${happened}`,
      `    expected: ${expected}`,
    ]),
    '',
    wrong.length === 0
      ? `All ${all.length} were treated as their roles demand.`
      : `Not treated as the role demands: ${wrong.join(', ')}.`,
  ]
}

/** Counts by guard, and the latency that the guard added. */
export function counts(ledger: Ledger): string[] {
  const by = [...ledger.stopped].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`)
  const [p50, p99] = [ledger.addedLatency(0.5), ledger.addedLatency(0.99)]
  const stopped = stoppedBy(ledger.stopped)
  return [
    `passed ${ledger.passed}, stopped ${stopped}${stopped === 0 ? '' : `: ${by.join(', ')}`}`,
    p50 === undefined || p99 === undefined
      ? 'added latency: nothing to measure'
      : `added latency p50 ${p50.toFixed(0)} µs, p99 ${p99.toFixed(0)} µs`,
    ...(ledger.failures === 0 ? [] : [`failures and warnings: ${ledger.failures}, see above`]),
  ]
}
