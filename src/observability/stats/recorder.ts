import type { Context } from 'grammy'
import { isPromise } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Key } from '../../core/subject.js'
import type { SentinelFlavor } from '../../middleware/chain/control.js'
import type { Probe } from '../../middleware/chain/probe.js'
import type { ValueEntry, Values } from '../../storage/values.js'
import type { StatsHost, StatsQuery, StatsRecorder, StatsReport } from './contract.js'
import { digestOf, type Forgotten, readForgotten } from './forgotten.js'
import { HASH, hashOf } from './hash.js'
import { reportOf } from './report.js'
import { Slot } from './slot.js'

/** What it counts by. */
export interface RecorderSettings {
  readonly window: Ms
  /** Parts of the window: as one ends, the oldest is forgotten. */
  readonly slots: number
  readonly counters: number
  /** Between two writes to a shared storage. */
  readonly every: Ms
  readonly share: boolean
}

/** Slots are some 50 kB each: so many in one answer of a storage. */
const PAGE = 20
/** Of the name of a space. */
const MOST_CHARACTERS = 64

/** Counts what one worker sees, and shares it with the others through their storage. No update waits for it. */
export class Recorder implements StatsRecorder {
  readonly probe: Probe
  private readonly slots: Slot[] = []
  private readonly unwritten = new Set<Slot>()
  /** That it counts for: others are counted by others, under the same name perhaps. */
  private readonly bots = new Set<number>()
  private readonly shadowed = new WeakSet<Context>()
  private readonly space: string
  /** Where workers tell who was erased: apart, so that it is read at once. */
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
          // It counted when it came first, though its handler failed.
          if (isRepeated(ctx)) return
          const slot = this.slotOf(ctx)
          slot.came(facts.actor, facts.activity)
          slot.allowed++
        },
        denied: ({ facts, ctx, verdict: { guard, reason }, wasAllowed, isFirst }) => {
          // What comes again was counted when it came; what was let in first, when it was.
          if (!isFirst || (wasAllowed ? isRepeated(ctx) : reason === 'duplicate')) return
          const slot = this.slotOf(ctx)
          if (wasAllowed) slot.allowed--
          else slot.came(facts.actor, facts.activity)
          slot.refuse(facts.actor, guard, reason)
        },
        shadow: ({ ctx }) => {
          // An update counts, not each guard that would have denied it.
          if (this.shadowed.has(ctx)) return
          this.shadowed.add(ctx)
          this.slotOf(ctx).shadow++
        },
      },
    }
  }

  async report({ workers, top = 10 }: StatsQuery = {}): Promise<StatsReport> {
    if (!Number.isInteger(top) || top < 1 || top > 1000) {
      throw new SentinelError(
        'option.invalid',
        `stats.top: ${String(top)} must be a whole number from 1 to 1000, such as 10.`,
      )
    }
    const now = this.host.clock()
    this.forget(now)
    const all = (workers ?? (this.settings.share ? 'all' : 'this')) === 'all'
    const { slots, others } = all ? await this.ofOthers(now) : { slots: [], others: 0 }
    const counted = [...this.slots, ...slots]
    if (all) await this.forgetErased(counted)
    else if (this.settings.share) {
      // What this worker counts is told while the storage is away, too.
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
    // Others have them in memory, too, and have to be told.
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
      // Its worker may have written it since the page was read.
      const slot = Slot.read(await this.values.get(this.space, key))
      if (slot?.forget(digests)) await this.values.put(this.space, key, slot.write(), until)
    }
    // A worker whose window is longer could name them for longer.
    if (longest > own) await tell(longest)
  }

  async close(): Promise<void> {
    this.closed = true
    this.callOff?.()
    this.callOff = undefined
    await this.writing
    if (this.settings.share) await this.write()
  }

  /** The oldest part that is still within the window. */
  private firstIndex(now: Ms): number {
    return Math.floor(now / this.span) - this.settings.slots + 1
  }

  /** Who this is, drawn when it is first needed: workers let nobody draw chance while a module is loaded. */
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
      // A clock that was put back goes on in the part it came to, if there is one.
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
    // A clock that jumped ahead and back leaves parts of the future behind.
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

  /** Of bots that it stands in front of, too; of all under its name, where it has met none yet. */
  private isOurs({ bots }: Slot): boolean {
    return this.bots.size === 0 || [...bots].some((bot) => this.bots.has(bot))
  }

  /** What is not taken is written with what comes next. */
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

  /** While a storage is away only what a report could still show is kept. */
  private forgetUnwritten(): void {
    const first = this.firstIndex(this.host.clock())
    for (const slot of this.unwritten) if (slot.index < first) this.unwritten.delete(slot)
  }

  private get values(): Values {
    return this.host.storage.values
  }

  /** What other workers have shared. */
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

  /** Names nobody in them who was erased by any worker since. */
  private async forgetErased(slots: readonly Slot[]): Promise<void> {
    for await (const { value } of this.read(this.erased)) {
      const { forgotten, at } = readForgotten(value) ?? { forgotten: [], at: 0 }
      const digests = new Set(forgotten)
      for (const slot of slots) if (slot.from <= at) slot.forget(digests)
    }
  }

  /** All that workers have put into a space, a page at a time. */
  private async *read(space: string, size?: number): AsyncGenerator<ValueEntry, void, undefined> {
    let next: string | undefined
    do {
      const reading = this.values.scan(space, next, size)
      const page = isPromise(reading) ? await reading : reading
      yield* page.entries
      next = page.next
    } while (next !== undefined)
  }
}

function isRepeated(ctx: Context & Partial<SentinelFlavor>): boolean {
  return ctx.sentinel?.isRepeated === true
}

/** Where workers of one name share: a space is a name of 64 characters at most, and what is cut off must not make two names one. */
function spaceOf(kind: string, name: string): string {
  const space = `${kind}:${name}`
  if (space.length <= MOST_CHARACTERS) return space
  hashOf(name)
  const digest = [HASH.high, HASH.low].map((half) => half.toString(36).padStart(7, '0')).join('')
  return `${space.slice(0, MOST_CHARACTERS - digest.length - 1)}.${digest}`
}
