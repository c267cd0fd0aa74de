import type { Context } from 'grammy'
import { z } from 'zod'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import type { SentinelFlavor } from '../../middleware/chain/control.js'
import type { Probe } from '../../middleware/chain/probe.js'
import { parseOptions } from '../../middleware/options/schema.js'
import { pagesOf } from '../../storage/contract/pages.js'
import type { ValueEntry, Values } from '../../storage/contract/values.js'
import type { StatsHost, StatsQuery, StatsRecorder, StatsReport } from './contract.js'
import { digestOf, type Forgotten, readForgotten } from './forgotten.js'
import { HASH, hashOf } from './hash.js'
import { reportOf } from './report.js'
import { Slot } from './slot.js'

/** Checked options of the recorder. */
interface RecorderSettings {
  readonly window: Ms
  /** Number of parts of the window; when one begins, the oldest is dropped. */
  readonly slots: number
  readonly counters: number
  /** Time between two writes to a shared storage. */
  readonly every: Ms
  readonly share: boolean
}

const TOP = 'must be a whole number from 1 to 1,000'
const statsQuery = z.strictObject({
  workers: z.enum(['this', 'all']).optional(),
  top: z.int(TOP).min(1, TOP).max(1000, TOP).optional(),
})
/** Slots per page of a scan; each has some 50 kB. */
const PAGE = 20
/** Longest name of a space. */
const MOST_CHARACTERS = 64

/** Collects statistics of one worker and shares them with other workers through the storage. No update waits for it. */
export class Recorder implements StatsRecorder {
  readonly probe: Probe
  private readonly slots: Slot[] = []
  private readonly unwritten = new Set<Slot>()
  /** The bots it has counted for. Other workers may count for other bots under the same name. */
  private readonly bots = new Set<number>()
  private readonly shadowed = new WeakSet<Context>()
  private readonly space: string
  /** The space with erased subjects; separate from the statistics, so that it is quick to read. */
  private readonly erased: string
  private named: string | undefined
  private readonly span: Ms
  private callOff: (() => void) | undefined
  private writing: Promise<void> | undefined
  private closed = false

  constructor(
    private readonly host: StatsHost,
    private readonly settings: RecorderSettings,
  ) {
    this.span = settings.window / settings.slots
    this.space = spaceOf('stats', host.name)
    this.erased = spaceOf('stats-erased', host.name)
    this.probe = {
      events: {
        allowed: ({ facts, ctx }) => {
          // A repeated update was counted when it first came, even if its handler failed.
          if (isRepeated(ctx)) return
          const slot = this.slotOf(ctx)
          slot.came(facts.actor, facts.activity)
          slot.allowed++
        },
        denied: ({ facts, ctx, verdict: { guard, reason }, wasAllowed, isFirst }) => {
          // A repeated update was counted when it first came, and an admitted one when it was admitted.
          if (!isFirst || (wasAllowed ? isRepeated(ctx) : reason === 'duplicate')) return
          const slot = this.slotOf(ctx)
          if (wasAllowed) slot.allowed--
          else slot.came(facts.actor, facts.activity)
          slot.refuse(facts.actor, guard, reason)
        },
        shadow: ({ ctx }) => {
          // Counts updates, not each guard that would have denied them.
          if (this.shadowed.has(ctx)) return
          this.shadowed.add(ctx)
          this.slotOf(ctx).shadow++
        },
      },
    }
  }

  async report(query: StatsQuery = {}): Promise<StatsReport> {
    const { workers, top = 10 } = parseOptions('stats', statsQuery, query)
    const now = this.host.clock()
    this.forget(now)
    const all = (workers ?? (this.settings.share ? 'all' : 'this')) === 'all'
    const { slots, others } = all ? await this.ofOthers(now) : { slots: [], others: 0 }
    const counted = [...this.slots, ...slots]
    if (all) await this.forgetErased(counted)
    else if (this.settings.share) {
      // A report of this worker alone works while the storage is down.
      await this.forgetErased(counted).catch((error) => this.host.failed(error, 'stats.share'))
    }
    const from = this.firstIndex(now) * this.span
    return reportOf(counted, { from, until: now, workers: 1 + others, top })
  }

  async erase(keys: readonly Key[]): Promise<void> {
    const digests = new Set(keys.map(digestOf))
    for (const slot of this.slots) slot.forget(digests)
    if (!this.settings.share) return
    await this.writing
    // Other workers have the subjects in memory, too, and have to be notified.
    const at = this.host.clock()
    const told: Forgotten = { forgotten: [...digests], at }
    const tell = async (until: Ms): Promise<void> =>
      this.values.put(this.erased, [...digests].join('.'), told, until)
    const own = (Math.floor(at / this.span) + this.settings.slots + 1) * this.span
    await tell(own)
    let longest = own
    for await (const { key, value, until = own } of this.read(this.space, PAGE)) {
      longest = Math.max(longest, until)
      if (Slot.read(value)?.forget(digests) !== true) continue
      // Reads the slot again, because its worker may have written it since the page was read.
      const slot = Slot.read(await this.values.get(this.space, key))
      if (slot?.forget(digests)) await this.values.put(this.space, key, slot.write(), until)
    }
    // A worker with a longer window keeps the subjects for longer, so the notification must last as long.
    if (longest > own) await tell(longest)
  }

  async close(): Promise<void> {
    this.closed = true
    this.callOff?.()
    this.callOff = undefined
    await this.writing
    if (this.settings.share) await this.write()
  }

  /** Index of the oldest part within the window. */
  private firstIndex(now: Ms): number {
    return Math.floor(now / this.span) - this.settings.slots + 1
  }

  /** Random name of this worker, drawn on first use: on workers, random numbers are not available while a module is loaded. */
  private get worker(): string {
    this.named ??= Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join(
      '',
    )
    return this.named
  }

  private slotOf({ me: { id } }: Context): Slot {
    const slot = this.slotNow()
    this.bots.add(id)
    slot.bots.add(id)
    return slot
  }

  private slotNow(): Slot {
    const now = this.host.clock()
    const index = Math.floor(now / this.span)
    let slot = this.slots.at(-1)
    if (slot?.index !== index) {
      // If the clock was set back, continues with the part of that time, if there is one.
      slot = this.slots.find((other) => other.index === index)
      if (slot === undefined) {
        slot = new Slot(index, this.settings.counters, this.span)
        this.slots.push(slot)
        this.forget(now)
      }
    }
    if (this.settings.share) {
      this.unwritten.add(slot)
      this.arm()
    }
    return slot
  }

  private forget(now: Ms): void {
    const first = this.firstIndex(now)
    for (let i = this.slots.length - 1; i >= 0; i--) {
      if ((this.slots[i] as Slot).index < first) this.slots.splice(i, 1)
    }
    // A clock that jumped ahead and back leaves parts of the future behind, which are dropped here.
    while (this.slots.length > this.settings.slots + 1) this.slots.shift()
  }

  private arm(): void {
    if (this.closed || this.callOff !== undefined) return
    this.callOff = this.host.timers.after(this.settings.every, () => {
      this.callOff = undefined
      this.writing ??= this.write().finally(() => {
        this.writing = undefined
      })
    })
  }

  /** Whether a slot is about a bot that this worker has, too. Before it has met any, all slots under its name count. */
  private isOurs({ bots }: Slot): boolean {
    return this.bots.size === 0 || [...bots].some((bot) => this.bots.has(bot))
  }

  /** Writes changed slots. A failed write is repeated with the next one. */
  private async write(): Promise<void> {
    const slots = [...this.unwritten]
    this.unwritten.clear()
    for (const slot of slots) {
      const until = (slot.index + this.settings.slots + 1) * this.span
      try {
        await this.values.put(this.space, `${this.worker}.${slot.index}`, slot.write(), until)
      } catch (error) {
        this.unwritten.add(slot)
        this.host.failed(error, 'stats.share')
      }
    }
    this.forgetUnwritten()
    if (this.unwritten.size > 0) this.arm()
  }

  /** Drops unwritten slots outside of the window, so that they do not pile up while the storage is down. */
  private forgetUnwritten(): void {
    const first = this.firstIndex(this.host.clock())
    for (const slot of this.unwritten) if (slot.index < first) this.unwritten.delete(slot)
  }

  private get values(): Values {
    return this.host.storage.values
  }

  /** Reads the slots of other workers. */
  private async ofOthers(now: Ms): Promise<{ readonly slots: Slot[]; readonly others: number }> {
    const from = this.firstIndex(now) * this.span
    const slots: Slot[] = []
    const workers = new Set<string>()
    for await (const { key, value } of this.read(this.space, PAGE)) {
      const worker = key.slice(0, key.lastIndexOf('.'))
      const slot = worker === this.worker ? undefined : Slot.read(value)
      if (slot === undefined || slot.until <= from || !this.isOurs(slot)) continue
      slots.push(slot)
      workers.add(worker)
    }
    return { slots, others: workers.size }
  }

  /** Removes subjects from slots that any worker has erased since. */
  private async forgetErased(slots: readonly Slot[]): Promise<void> {
    for await (const { value } of this.read(this.erased)) {
      const { forgotten, at } = readForgotten(value) ?? { forgotten: [], at: 0 }
      const digests = new Set(forgotten)
      for (const slot of slots) if (slot.from <= at) slot.forget(digests)
    }
  }

  /** Reads all values of a space, page by page. */
  private async *read(space: string, size?: number): AsyncGenerator<ValueEntry, void, undefined> {
    for await (const { entries } of pagesOf((from) => this.values.scan(space, from, size))) yield* entries
  }
}

function isRepeated(ctx: Context & Partial<SentinelFlavor>): boolean {
  return ctx.sentinel?.isRepeated === true
}

/**
 * Returns the space in which workers of one name share. Names of spaces are limited, so a long name gets a hash in place of its
 * end.
 */
function spaceOf(kind: string, name: string): string {
  const space = `${kind}:${name}`
  if (space.length <= MOST_CHARACTERS) return space
  hashOf(name)
  const digest = [HASH.high, HASH.low].map((half) => half.toString(36).padStart(7, '0')).join('')
  return `${space.slice(0, MOST_CHARACTERS - digest.length - 1)}.${digest}`
}
