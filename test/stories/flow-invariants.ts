import type { ConcurrencyOptions } from '../../src/index.js'
import { WORK } from '../../src/middleware/concurrency/defaults.js'
import type { FlowOptions } from './flow-options.js'
import type { Records, Run } from './flow-records.js'
import type { FlowWorker } from './flow-worker.js'
import { HandlerFailed } from './handler-failed.js'
import type { Town } from './town.js'

/* What is true of every story, whatever its options and steps are. Broken promises are written down in `records.faults`. */

/** Checks what must be true of the calls of handlers at any time. */
export function checkRuns(records: Records, { once, concurrency }: FlowOptions): void {
  const isExact = typeof once === 'object' && once.lease === undefined && !records.storageFails
  for (const [update, deliveries] of records.deliveries) {
    const runs = records.runs.filter(({ updates }) => updates.includes(update))
    if (deliveries.every(({ blocked }) => blocked) && runs.length > 0)
      records.fault(`update ${update} was handled, although its sender was blocked`)
    if (runs.length > deliveries.length)
      records.fault(
        `update ${update} was handled ${runs.length} times and delivered ${deliveries.length} times`,
      )
    // With a lease, an update whose handler takes longer is handled again.
    if (isExact) checkRepeated(records, update, runs)
  }
  for (const { updates } of records.runs) {
    const orders = updates.map((update) => records.deliveries.get(update)?.[0]?.order as number)
    if (isExact && new Set(updates).size < updates.length)
      records.fault(`the burst ${updates} contains an update twice`)
    if (isExact && orders.some((order, index) => order < (orders[index - 1] ?? -1)))
      records.fault(`the burst ${updates} is out of order`)
  }
  // Updates from before and after a change of the options are counted separately.
  if (records.reconfigured) return
  const covered = new Set(WORK)
  for (const one of [concurrency].flat() as (false | ConcurrencyOptions)[]) {
    const crowd = one === false ? undefined : records.crowded(one, covered)
    if (crowd !== undefined) records.fault(crowd)
  }
}

function checkRepeated(records: Records, update: number, runs: readonly Run[]): void {
  for (const [index, run] of runs.entries()) {
    const before = runs[index - 1]
    if (before === undefined) continue
    if (!before.failed || (before.ended ?? Number.POSITIVE_INFINITY) > run.begun)
      records.fault(`update ${update} was handled again, although its handler had not failed`)
  }
}

/** Checks, at the end, that each delivery had one verdict and that every admitted update was handled. */
export function checkEnd(records: Records): void {
  const { told, runs } = records
  const timesIn = (list: (each: Records['told'][number]) => readonly number[], update: number): number =>
    told.flatMap(list).filter((each) => each === update).length
  for (const [update, deliveries] of records.deliveries) {
    const allowed = timesIn((each) => each.allowed, update)
    const denied = timesIn((each) => each.denied, update)
    if (allowed + denied !== deliveries.length)
      records.fault(`update ${update}: ${deliveries.length} deliveries, ${allowed} allowed, ${denied} denied`)
    const later = timesIn(
      (each) => each.deniedLater.filter(({ byHandler }) => !byHandler).map((one) => one.update),
      update,
    )
    const expected = allowed - later
    const handled = runs.flatMap(({ updates }) => updates).filter((each) => each === update).length
    const wasLost = told.some(({ lost }) => lost.has(update))
    if (handled !== expected && !(wasLost && handled === expected - 1))
      records.fault(`update ${update} was handled ${handled} times, and should have been ${expected} times`)
    for (const { ended, error } of deliveries) {
      if (!ended) records.fault(`the delivery of update ${update} has not ended`)
      if (error !== undefined && !(error instanceof HandlerFailed))
        records.fault(`the delivery of update ${update} failed: ${(error as Error).stack}`)
    }
  }
  if (records.storageFails) return
  for (const { during, error } of told.flatMap(({ errors }) => errors)) {
    // Telegram accepts the answer to a tap only for some seconds, and bursts may take longer.
    if (!(error instanceof HandlerFailed) && !/query is too old/.test((error as Error).message))
      records.fault(`an error during ${during}: ${(error as Error).message}`)
  }
}

/** Checks that a worker which is closed, or has nothing to do, holds nothing. */
export async function checkIdle(records: Records, { guard }: FlowWorker, when: string): Promise<void> {
  const { held, background, hooks } = await guard.health()
  const counts = { ...held, background: background.running, hooks: hooks.running }
  for (const [what, count] of Object.entries(counts)) {
    if (count !== 0) records.fault(`${when}, ${count} held by ${what}`)
  }
}

/** Checks that the tally of a worker equals its events and the number of updates. */
export async function checkTally(records: Records, worker: FlowWorker, index: number): Promise<void> {
  const { allowed, denied, unknown, denials } = (await worker.guard.health()).tally
  const deliveries = [...records.deliveries.values()].flat().filter((each) => each.worker === index).length
  const events = worker.told.denied.length + worker.told.deniedLater.length
  const byReason = [...denials.values()].reduce((sum, count) => sum + count, 0)
  const counts = { total: allowed + denied + unknown, denied, byReason }
  const expected = { total: deliveries, denied: events, byReason: events }
  if (JSON.stringify(counts) !== JSON.stringify(expected))
    records.fault(
      `the tally of worker ${index} is ${JSON.stringify(counts)}, not ${JSON.stringify(expected)}`,
    )
}

/** Checks that no timer is left. The protection of a remote storage has short ones, which belong to the storage. */
export function checkTimers(records: Records, { armed }: Town): void {
  if (armed.size > 0) records.fault(`timers left: ${[...armed].map(({ ms }) => `${ms} ms`)}`)
}
