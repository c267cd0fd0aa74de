import { type Check, isPromise, type MaybePromise, type Plan } from '../core/check.js'
import { quietTimers, systemTimers, type Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { formatLimit, type Limit } from '../core/limit.js'
import type { Roles } from '../core/roles.js'
import { type Key, keySubject, ownKey } from '../core/subject.js'
import type { Services } from '../middleware/services.js'
import { ADAPTED_MARK, type Changeable, roleVariants } from '../middleware/throttle/runtime-limits.js'
import { isLimited, isSoundLimit, variantsOf } from '../storage/contract/plan.js'
import type { MarkEntry, MarkPage } from '../storage/contract/storage.js'
import { ROLE_LIMIT_MARK } from './role-limit-mark.js'

/** Delay before a failed read is repeated. */
const READ_AGAIN: Ms = 5000

/** Longest wait for the end of a limit: timers do not count the time for which the machine sleeps. */
const LOOK_AGAIN: Ms = 60_000

/** A changed limit of a role. */
export interface RoleLimit {
  readonly slot: string
  readonly role: string
  readonly limit: Limit
  readonly since: Ms
  readonly until: Ms | undefined
  readonly reason: string | undefined
}

interface OfBot {
  limits: readonly RoleLimit[]
  reading: Promise<void> | undefined
  /** Whether a change was reported while the limits were being read. */
  stale: boolean
}

/**
 * The key of a role's limit: `throttle.user vip`. A slot with spaces, as that of a handler without a name, is preceded by its
 * length, so that keys stay unambiguous whatever the name of the role: ` 24 throttle.buy (and sell) vip`.
 */
export function roleLimitKey(slot: string, role: string): Key {
  return ownKey(slot.includes(' ') ? ` ${slot.length} ${slot} ${role}` : `${slot} ${role}`)
}

/** Splits a key into slot and role. */
function readKey(key: Key): { readonly slot: string; readonly role: string } | undefined {
  const { name } = keySubject(key)
  const [begin = '', length] = /^ (\d+) /.exec(name) ?? []
  const end = length === undefined ? name.indexOf(' ') : begin.length + Number(length)
  if (end < 0 || name[end] !== ' ') return undefined
  return { slot: name.slice(begin.length, end), role: name.slice(end + 1) }
}

/**
 * The limits of roles that were changed while the bot runs. They are few, so each process holds all of them in its plan: reading
 * them with each update would cost another storage record for every role.
 */
export class RoleLimits {
  private readonly bots = new Map<number, OfBot>()
  private readonly timers: Timers
  private callOff: (() => void) | undefined
  private readonly again = new Map<number, () => void>()
  private stopped = false

  constructor(
    private readonly services: Pick<Services, 'storage' | 'clock' | 'failed' | 'timers'>,
    /** Called when the limits in force have changed. */
    private readonly changed: () => void,
  ) {
    // A timer for a limit that expires in a month must not keep the process alive.
    this.timers = services.timers === systemTimers ? quietTimers : services.timers
  }

  /** Returns the limits in force, of all bots. Where bots differ, the bot that was met first decides. */
  all(): readonly RoleLimit[] {
    const now = this.services.clock()
    const held = new Map<Key, RoleLimit>()
    for (const { limits } of this.bots.values()) {
      for (const each of limits) {
        const key = roleLimitKey(each.slot, each.role)
        if (!held.has(key) && (each.until === undefined || each.until > now)) held.set(key, each)
      }
    }
    return [...held.values()].sort((a, b) => (a.role < b.role ? -1 : 1))
  }

  /** Returns a plan with the limits in force in place of those that it has for the same roles. */
  planned(plan: Plan, limitOf: (slot: string) => Changeable | undefined, roles: Roles): Plan {
    const changed = this.all()
    const actor = plan.scopes.indexOf('actor')
    if (changed.length === 0 || actor < 0) return plan
    const checks = plan.checks.map((check): Check => {
      if (!isLimited(check)) return check
      const own = changed.filter(({ slot }) => slot === check.slot)
      const known = limitOf(check.slot)
      if (own.length === 0 || known === undefined || known.computed) return check
      const limits = new Map(known.roles)
      for (const { role, limit } of own) limits.set(role, limit)
      const stored = variantsOf(check).filter(({ limit }) => limit === 'stored')
      const adapted = stored.filter(({ mark }) => mark.startsWith(ADAPTED_MARK))
      const set = stored.filter((variant) => !adapted.includes(variant))
      return { ...check, variants: [...set, ...roleVariants([...limits], roles, actor), ...adapted] }
    })
    return { ...plan, checks }
  }

  /** Reads the limits of a bot on first use; returns a promise if that takes time. Does not reject. */
  ready(bot: number): Promise<void> | undefined {
    const known = this.bots.get(bot)
    if (known !== undefined) return known.reading
    const reading = this.read(bot)
    return isPromise(reading) ? reading : undefined
  }

  /** Reads the limits again. Does not reject: an error is reported as an event, and the known limits stay in force. */
  read(bot: number): MaybePromise<void> {
    const known: OfBot = this.bots.get(bot) ?? { limits: [], reading: undefined, stale: false }
    this.bots.set(bot, known)
    if (known.reading !== undefined) {
      known.stale = true
      return known.reading
    }
    let found: MaybePromise<readonly MarkEntry[]>
    try {
      found = this.scan(bot)
    } catch (error) {
      this.failed(bot, error)
      return
    }
    if (!isPromise(found)) {
      this.hold(known, found)
      return
    }
    known.reading = this.reading(bot, known, found)
    return known.reading
  }

  /** Reads the limits of all bots again, when change notifications may have been lost. */
  readAll(): void {
    for (const bot of this.bots.keys()) void this.read(bot)
  }

  stop(): void {
    this.callOff?.()
    for (const callOff of this.again.values()) callOff()
    this.again.clear()
    this.bots.clear()
    this.stopped = true
  }

  private async reading(bot: number, known: OfBot, found: Promise<readonly MarkEntry[]>): Promise<void> {
    try {
      let entries = await found
      while (known.stale) {
        known.stale = false
        entries = await this.scan(bot)
      }
      this.hold(known, entries)
    } catch (error) {
      this.failed(bot, error)
    } finally {
      known.reading = undefined
    }
  }

  private scan(bot: number, from?: string, before: readonly MarkEntry[] = []): MaybePromise<MarkEntry[]> {
    const go = ({ entries, next }: MarkPage): MaybePromise<MarkEntry[]> => {
      const all = [...before, ...entries]
      return next === undefined ? all : this.scan(bot, next, all)
    }
    const page = this.services.storage.marks.scan(bot, ROLE_LIMIT_MARK, from)
    return isPromise(page) ? page.then(go) : go(page)
  }

  private hold(known: OfBot, entries: readonly MarkEntry[]): void {
    const before = spelled(this.all())
    known.limits = entries.flatMap((entry) => roleLimitOf(entry) ?? [])
    if (spelled(this.all()) !== before) this.changed()
    this.arm()
  }

  /** Sets a timer for the next limit that expires, to remove it from the plan. */
  private arm(): void {
    this.callOff?.()
    this.callOff = undefined
    const held = this.all()
    const ends = held.flatMap(({ until }) => (until === undefined ? [] : [until]))
    if (ends.length === 0 || this.stopped) return
    const wait = Math.max(1, Math.min(...ends, this.services.clock() + LOOK_AGAIN) - this.services.clock())
    this.callOff = this.timers.after(wait, () => {
      if (spelled(this.all()) !== spelled(held)) this.changed()
      this.arm()
    })
  }

  /** Reports a failed read and schedules another. Until it succeeds, the known limits stay in force. */
  private failed(bot: number, error: unknown): void {
    this.services.failed(error, 'limits.roles')
    if (this.stopped || this.again.has(bot)) return
    const callOff = this.timers.after(READ_AGAIN, () => {
      this.again.delete(bot)
      void this.read(bot)
    })
    this.again.set(bot, callOff)
  }
}

function roleLimitOf({ key, mark }: MarkEntry): RoleLimit | undefined {
  const read = readKey(key)
  const { since, until, reason, value: limit } = mark
  // Invalid records are ignored, so that one does not disable the others.
  if (read === undefined || !isSoundLimit(limit)) return undefined
  return { ...read, limit, since, until, reason }
}

function spelled(limits: readonly RoleLimit[]): string {
  return limits.map(({ slot, role, limit }) => `${roleLimitKey(slot, role)} ${formatLimit(limit)}`).join('\n')
}
