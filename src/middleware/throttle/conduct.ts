import type { Context } from 'grammy'
import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import { later } from '../../core/later.js'
import { setNewest } from '../../core/maps.js'
import { type Key, keyText } from '../../core/subject.js'
import type { Background } from '../services/background.js'
import type { Adaptation } from './adapt.js'
import type { Adapting } from './adapt-limit.js'

const changing = later('throttle.adapt', () => import('./adapt-limit.js'))

/** Most actors whose conduct is remembered; the one seen longest ago is forgotten first. */
export const MOST_ACTORS = 10_000

/** What counting needs of the services. */
interface Counting extends Adapting {
  /** A clock that never goes back. */
  readonly steady: Clock
  readonly background: Background
  readonly failed: (error: unknown, during: string) => void
}

interface ConductRecord {
  /** Updates that passed since the last refusal, or since the last reward. */
  good: number
  /** Refusals since `from`. */
  refusals: number
  from: Ms
  /** Pending while a change is written; another change only begins after that. */
  changing: Promise<void> | undefined
}

/**
 * Counts how actors fare with one limit, and adapts their limit when a threshold is reached. It counts in this process and writes
 * nothing until then; the adapted limit is a mark, which the plan of every process reads.
 */
export class Conduct {
  /** Records by actor, the most recently seen last. */
  readonly records = new Map<string, ConductRecord>()
  private users = 0
  private readonly stops: (() => void)[] = []

  constructor(
    private readonly services: Counting,
    private readonly slot: string,
    private readonly name: string,
    private adaptation: Adaptation,
  ) {}

  /** Applies changed options. */
  turn(adaptation: Adaptation): void {
    this.adaptation = adaptation
  }

  /**
   * Starts listening. Several chains may have the same limit, so only the first call adds listeners: each refusal counts once.
   */
  begin(): void {
    if (this.users++ > 0) return
    const { events } = this.services
    this.stops.push(
      events.watch('denied', ({ facts, ctx, verdict }) => {
        const { guard, limit, reason, cause } = verdict
        // The first part of a refused album counts for all of them.
        if (guard !== 'throttle' || limit !== this.name || cause === 'echo') return
        if (reason === 'limited' || reason === 'penalised') this.refused(facts, ctx)
      }),
      events.watch('shadow', ({ facts, ctx, verdict }) => {
        if (verdict.guard === 'throttle' && verdict.limit === this.name) this.refused(facts, ctx)
      }),
    )
  }

  end(): void {
    if (this.users === 0 || --this.users > 0) return
    for (const stop of this.stops.splice(0)) stop()
  }

  /** Counts an update that passed. */
  passed(facts: Facts, ctx: Context): void {
    const { actor } = facts
    if (actor === undefined) return
    const record = this.recordOf(ctx.me.id, actor)
    if (++record.good < this.adaptation.earnAfter || record.changing !== undefined) return
    record.good = 0
    this.change(ctx.me.id, actor, record, 'earn')
  }

  private refused({ actor }: Facts, ctx: Context): void {
    if (actor === undefined) return
    const record = this.recordOf(ctx.me.id, actor)
    const now = this.services.steady()
    record.good = 0
    if (now - record.from >= this.adaptation.loseWithin) {
      record.from = now
      record.refusals = 0
    }
    if (++record.refusals < this.adaptation.loseAfter || record.changing !== undefined) return
    record.refusals = 0
    record.from = now
    this.change(ctx.me.id, actor, record, 'lose')
  }

  private recordOf(bot: number, actor: Key): ConductRecord {
    const name = nameOf(bot, actor)
    const known = this.records.get(name)
    const record = known ?? { good: 0, refusals: 0, from: Number.NEGATIVE_INFINITY, changing: undefined }
    setNewest(this.records, name, record, MOST_ACTORS)
    return record
  }

  private change(bot: number, key: Key, record: ConductRecord, how: 'earn' | 'lose'): void {
    let written = (): void => undefined
    record.changing = new Promise((done) => {
      written = done
    })
    const ended = (): void => {
      record.changing = undefined
      written()
    }
    const isRunning = this.services.background.runOrReport('throttle.adapt', async () => {
      try {
        const { adaptLimit } = await changing.load()
        await adaptLimit(this.services, this.slot, this.adaptation, { bot, key, how })
      } finally {
        ended()
      }
    })
    if (!isRunning) ended()
  }
}

/** Returns the name of an actor's record. */
export function nameOf(bot: number, actor: Key): string {
  return `${bot} ${keyText(actor)}`
}
