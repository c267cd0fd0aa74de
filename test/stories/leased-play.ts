import fc from 'fast-check'
import { describe as factsOf } from '../../src/core/facts.js'
import type { Key } from '../../src/core/subject.js'
import { type Duration, type LeasingOptions, type Limit, parseDuration } from '../../src/index.js'
import { type Act, acts } from './acts.js'
import type { ExactOptions, LimitOptions } from './exact-options.js'
import { limitRules, type Rule, SCOPES, subjectsOf } from './exact-plan.js'
import { ExactWorker } from './exact-worker.js'
import type { StoreOf } from './story-storages.js'
import { Town } from './town.js'

/*
 * Stories of workers that take units of limits in batches. Their verdicts depend on who holds how much, so they are compared with
 * bounds: the workers together never admit more than a limit allows, and refuse only if all that is left is held by workers.
 */

export interface LeasedStory {
  readonly limits: readonly LimitOptions[]
  readonly batch: number
  readonly for: Duration
  readonly workers: 1 | 2 | 3
  readonly steps: readonly (LeasedAct | { readonly pass: number })[]
}

interface LeasedAct {
  readonly act: Act
  readonly worker: number
}

const amount = fc.constantFrom(
  ...['4/1s', '10/1s', '20/1s', '20/2s (burst 30)', '60/10s', '8/2s (burst 12)'],
  // These are full again before a lease ends, and then the burst must have been lowered.
  ...['100/1s (burst 30)', '100/1s (burst 30)', '100/1s (burst 25)', '100/1s (burst 25)'],
)
const act = acts.filter(({ does }) => !does.includes('album'))
const worker = fc.nat({ max: 2 })
const steps = fc.oneof(
  { weight: 4, arbitrary: fc.record({ act, worker }) },
  { weight: 2, arbitrary: fc.record({ pass: fc.constantFrom(1, 20, 60, 100, 300, 1000, 5000) }) },
  { weight: 4, arbitrary: fc.record({ act: crowd(2, 6, 12), worker }) },
)

/** A worker that has spent holds a lease while others use up what is left, and then spends its lease. */
const heldMeanwhile = fc
  .record({
    first: crowd(4, 5),
    pause: fc.constantFrom(20, 80, 80, 100),
    others: crowd(12, 30, 30),
    last: crowd(4),
  })
  .map(({ first, pause, others, last }) => [
    { pass: 5000 },
    { act: first, worker: 0 },
    { pass: pause },
    { act: others, worker: 1 },
    { act: last, worker: 0 },
  ])

/** Many messages at once, which a worker that leases has to share with others. */
function crowd(...sizes: readonly number[]): fc.Arbitrary<Act> {
  return fc.record({
    does: fc.constant('says' as const),
    who: fc.constantFrom(0, 1),
    where: fc.constant('group' as const),
    text: fc.constant('hello'),
    times: fc.constantFrom(...sizes),
  })
}

export const leasedStories: fc.Arbitrary<LeasedStory> = fc.record({
  limits: fc
    .tuple(amount, fc.option(amount, { nil: undefined }))
    .map(([all, chat]) => [
      { name: 'all', scope: 'global' as const, limit: all, algorithm: 'bucket' as const },
      ...(chat === undefined
        ? []
        : [{ name: 'chat', scope: 'chat' as const, limit: chat, algorithm: 'bucket' as const }]),
    ]),
  batch: fc.constantFrom(4, 8, 32),
  for: fc.constantFrom<Duration>('20ms', '50ms', '200ms', '200ms', '200ms'),
  workers: fc.constantFrom(1, 2, 2, 2, 3),
  steps: fc
    .array(
      fc.oneof(
        { weight: 14, arbitrary: steps.map((step) => [step]) },
        { weight: 3, arbitrary: heldMeanwhile },
      ),
      { minLength: 5, maxLength: 24, size: 'max' },
    )
    .map((each) => each.flat()),
})

/** Plays a story, and returns what broke the bounds, in words. */
export async function playLeased(
  story: LeasedStory,
  storeOf: (lease: LeasingOptions) => StoreOf,
): Promise<readonly string[]> {
  const town = await Town.built()
  const store = storeOf({ limits: story.limits.map(({ name }) => name), batch: story.batch, for: story.for })(
    town,
  )
  const workers = Array.from({ length: story.workers }, (_, index) => {
    return new ExactWorker(town, store.storageOf(index), { ...NOTHING_ELSE, throttle: story.limits })
  })
  const bounds = new Bounds(story)
  for (const step of story.steps) {
    if (bounds.broken.length > 0) break
    if ('pass' in step) {
      await town.pass(step.pass, step.pass < 1000 ? 20 : 100)
      continue
    }
    const one = workers[step.worker % workers.length] as ExactWorker
    for (const update of await town.sees(step.act)) {
      const at = town.now()
      const { denials } = await one.handles(update, 'nothing')
      await town.quiet()
      let held = 0
      for (const { guard } of workers) held += (await guard.health()).storage.hybrid?.held ?? 0
      const [denial] = denials
      // Limits of handlers are not leased.
      const ofHandler =
        denial !== undefined && !story.limits.some(({ name }) => denial.limit.split('.')[0] === name)
      bounds.check(factsOf(update), at, ofHandler ? undefined : denial?.limit, held)
    }
  }
  for (const { guard, errors } of workers) {
    await guard.close()
    bounds.broken.push(...errors)
  }
  await store.close()
  await town.close()
  return bounds.broken
}

const NOTHING_ELSE: Omit<ExactOptions, 'throttle'> = {
  ...{ debounce: false, once: {}, auth: false, hasOwner: false, exemptsMods: false, setsLimits: false },
  ...{ hasOuter: false, installed: true, workers: 1 },
}

interface Charge {
  readonly at: number
  readonly units: number
}

/** What was charged, by limit and subject, and whether the limits allow it. */
class Bounds {
  readonly broken: string[] = []
  private readonly rules: readonly Rule[]
  private readonly charges = new Map<string, Charge[]>()
  private readonly span: number
  private readonly workers: number

  constructor(story: LeasedStory) {
    this.rules = limitRules(story.limits)
    this.span = parseDuration(story.for)
    this.workers = story.workers
  }

  check(facts: ReturnType<typeof factsOf>, at: number, refusedBy: string | undefined, held: number): void {
    const subjects = subjectsOf(facts)
    for (const { check, name, cost } of this.rules) {
      const units = cost(facts)
      const subject = subjects[check.subject]
      if (check.kind !== 'bucket' || units === 0 || subject === undefined) continue
      const where = `update ${facts.updateId} at ${at}: ${name} of ${SCOPES[check.subject]}`
      const charges = this.chargesOf(name, subject)
      if (refusedBy === undefined) {
        charges.push({ at, units })
        if (exceeds(check.limit, charges)) this.broken.push(`${where} admits more than it allows`)
      } else if (refusedBy === name) {
        // The main limit is leased, so a part of its burst is kept back.
        const isLeased = !name.includes('.')
        const { amount, per } = check.limit
        const kept = isLeased ? Math.max(1, (this.span * amount) / per) : 0
        const { left, moments } = sinceFull(check.limit, charges, at)
        // What has refilled while a worker held units is lost when they go back, rounded up once.
        const lost = 1 + (isLeased ? (moments * this.workers * this.span * amount) / per : 0)
        const free = left - kept - lost - held
        if (free >= units) this.broken.push(`${where} refuses, although ${left} are left, and ${held} held`)
      }
    }
  }

  private chargesOf(name: string, subject: Key): Charge[] {
    const key = `${name} ${String(subject)}`
    const charges = this.charges.get(key) ?? []
    this.charges.set(key, charges)
    return charges
  }
}

/** Whether more was charged in any span that ends now than the limit allows. */
function exceeds({ amount, per, burst = amount }: Limit, charges: readonly Charge[]): boolean {
  const end = charges.at(-1)?.at as number
  let sum = 0
  return charges.toReversed().some(({ at, units }) => {
    sum += units
    return sum > burst + ((end - at) * amount) / per + 1e-6
  })
}

/** What a bucket with these charges contains, and at how many moments it was charged since it was last full. */
function sinceFull(
  { amount, per, burst = amount }: Limit,
  charges: readonly Charge[],
  now: number,
): { left: number; moments: number } {
  let left = burst
  let since = 0
  let moments = 0
  for (const { at, units } of [...charges, { at: now, units: 0 }]) {
    left = Math.min(burst, left + ((at - since) * amount) / per)
    if (left === burst) moments = 0
    if (at > since || moments === 0) moments++
    left -= units
    since = at
  }
  return { left, moments }
}
