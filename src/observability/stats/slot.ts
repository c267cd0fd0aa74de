import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import { Distinct } from './distinct.js'
import { Frequency } from './frequency.js'
import { HeavyHitters, isCount } from './heavy-hitters.js'

/** Most guards and reasons that are counted separately. */
const MOST_NAMES = 500
const REST = 'other'
/** Index of `allowed` in the written counts. */
const ALLOWED = 1

/** Counts by name, with a limited number of names. */
export class Named {
  readonly counts = new Map<string, number>()

  add(name: string, count = 1): void {
    const own = this.counts.has(name) || this.counts.size < MOST_NAMES ? name : REST
    this.counts.set(own, (this.counts.get(own) ?? 0) + count)
  }
}

/** Statistics of one part of the window. */
export class Slot {
  /** The bots whose updates were counted. */
  readonly bots = new Set<number>()
  updates = 0
  /** Negative if more updates admitted in an earlier part were denied in this one; the sum over the parts is right. */
  allowed = 0
  denied = 0
  shadow = 0
  readonly activities = new Named()
  /** By guard and reason, separated by a space. */
  readonly denials = new Named()
  active = Distinct.empty()
  /** A second upper bound for the counters of `talkers`. */
  often = Frequency.empty()
  talkers: HeavyHitters
  refused: HeavyHitters

  constructor(
    /** Number of the part: its start time divided by its length. */
    readonly index: number,
    counters: number,
    /** Length of the part. Workers with other windows have other lengths, and their indexes mean other times. */
    readonly span: Ms,
  ) {
    this.talkers = new HeavyHitters(counters)
    this.refused = new HeavyHitters(counters)
  }

  get from(): Ms {
    return this.index * this.span
  }

  get until(): Ms {
    return this.from + this.span
  }

  came(actor: Key | undefined, activity: string): void {
    this.updates++
    this.activities.add(activity)
    if (actor === undefined) return
    this.active.add(actor)
    this.often.add(actor)
    this.talkers.add(actor)
  }

  refuse(actor: Key | undefined, guard: string, reason: string): void {
    this.denied++
    this.denials.add(`${guard} ${reason}`)
    if (actor !== undefined) this.refused.add(actor)
  }

  /** Forgets subjects; returns whether any was known. */
  forget(digests: ReadonlySet<string>): boolean {
    const talked = this.talkers.forget(digests)
    return this.refused.forget(digests) || talked
  }

  write(): unknown {
    const { index, span, updates, allowed, denied, shadow } = this
    return {
      index,
      span,
      bots: [...this.bots],
      counts: [updates, allowed, denied, shadow],
      activities: Object.fromEntries(this.activities.counts),
      denials: Object.fromEntries(this.denials.counts),
      active: this.active.write(),
      often: this.often.write(),
      talkers: this.talkers.write(),
      refused: this.refused.write(),
    }
  }

  /** Returns undefined for any other value, and for a format of another version. */
  static read(written: unknown): Slot | undefined {
    if (typeof written !== 'object' || written === null) return undefined
    const { index, span, bots, counts, activities, denials, ...sketches } = written as Record<string, unknown>
    const active = Distinct.read(sketches.active)
    const often = Frequency.read(sketches.often)
    const talkers = HeavyHitters.read(sketches.talkers)
    const refused = HeavyHitters.read(sketches.refused)
    if (active === undefined || often === undefined || talkers === undefined || refused === undefined)
      return undefined
    if (
      typeof index !== 'number' ||
      typeof span !== 'number' ||
      !Array.isArray(bots) ||
      !bots.every(Number.isSafeInteger) ||
      !Array.isArray(counts) ||
      counts.length !== 4 ||
      !counts.every((count, i) => (i === ALLOWED ? Number.isSafeInteger(count) : isCount(count)))
    ) {
      return undefined
    }
    const slot = new Slot(index, talkers.size, span)
    const [updates, allowed, denied, shadow] = counts as [number, number, number, number]
    Object.assign(slot, { updates, allowed, denied, shadow, active, often, talkers, refused })
    for (const bot of bots as number[]) slot.bots.add(bot)
    return readNames(activities, slot.activities) && readNames(denials, slot.denials) ? slot : undefined
  }
}

function readNames(written: unknown, names: Named): boolean {
  if (typeof written !== 'object' || written === null) return false
  return Object.entries(written).every(([name, count]) => {
    if (!isCount(count)) return false
    names.add(name, count)
    return true
  })
}
