import type { RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { type Key, textKey } from '../../core/subject.js'

/** Returns the form of a key that change reports use. */
export function reportedKey(key: Key): Key {
  if (typeof key === 'number') return key
  const kind = key[0]
  return kind === 'u' || kind === 'c' || kind === 's' ? textKey(key) : key
}

/** A refusal that would be repeated without side effects until some time. */
export interface Refusal {
  /** The {@link RepeatableRefusals} of the judge that owns this refusal. */
  readonly owner: object
  readonly bot: number
  /** The subject of the check that refused. */
  readonly key: Key
  readonly check: number
  /** The token of a claim; -1 for other checks. */
  readonly token: number
  readonly cost: number
  readonly cause: RefusalCause
  /** Whether the caller passed the time. */
  readonly told: boolean
  /** How long the refusal may be used. */
  readonly until: Ms
  /** When asking again can succeed. */
  readonly end: Ms
  /** When one ask goes through to the storage, because a notice may be due. */
  readonly noticeAt: Ms
  readonly remaining: readonly number[]
  /** Earlier checks in shadow that would have refused as well. */
  readonly shadowRefusals: readonly number[]
  /** The subjects of the ask, by scope. */
  readonly subjects: readonly (Key | undefined)[]
  readonly costs: readonly number[]
  /** Other subjects whose marks the refusal depends on. */
  readonly alsoOf: readonly Key[]
  /** How often it was used; halved whenever it escapes eviction. */
  hits: number
  /** An ask is under way to find out whether a notice is due. */
  asking: boolean
  /** The next refusal of the same subject. */
  next: Refusal | undefined
  /** Neighbours in the order of eviction. */
  older: Refusal | undefined
  newer: Refusal | undefined
}

/** Maximum number of refusals per subject, so that tapping a hundred buttons takes no more room. */
const MOST_OF_ONE = 8
/** How many refusals are examined to evict one. */
const MOST_LOOKED_AT = 16
/** How many changes are recorded individually. */
const MOST_CHANGES = 512

/**
 * Remembered refusals of all judges, with a maximum. The least used ones are evicted first: a flood of many accounts leaves one
 * refusal each, and these go before those of a few subjects that are refused again and again.
 */
export class RefusalMemory {
  size = 0
  private readonly bots = new Map<number, Map<Key, Refusal>>()
  private oldest: Refusal | undefined
  private newest: Refusal | undefined
  /** By another subject that the refusal depends on, such as a user whose roles matter for a refusal in a chat. */
  private readonly dependent = new Map<Key, Set<Refusal>>()
  /** Number of changes so far. */
  version = 0
  private clearedAt = 0
  private readonly changed: { bot: number; key: Key }[] = []

  constructor(private readonly most: number) {}

  /** Returns the first refusal of a subject; the others are linked from it. */
  of(bot: number, key: Key): Refusal | undefined {
    return this.bots.get(bot)?.get(reportedKey(key))
  }

  /** Returns the refusal remembered for the same question, even if it has expired. */
  same(owner: object, bot: number, key: Key, check: number, token: number): Refusal | undefined {
    let known = this.of(bot, key)
    while (known !== undefined && !(known.owner === owner && known.check === check && known.token === token))
      known = known.next
    return known
  }

  /** Remembers a refusal, replacing the one for the same question. */
  add(refusal: Refusal, now: Ms): void {
    const { owner, bot, key, check, token } = refusal
    const before = this.same(owner, bot, key, check, token)
    if (before !== undefined) this.remove(before)
    this.makeRoom(now)
    let subjects = this.bots.get(bot)
    if (subjects === undefined) {
      subjects = new Map()
      this.bots.set(bot, subjects)
    }
    const first = subjects.get(key)
    refusal.next = first
    subjects.set(key, refusal)
    this.append(refusal)
    this.size++
    for (const other of refusal.alsoOf) {
      let dependents = this.dependent.get(other)
      if (dependents === undefined) {
        dependents = new Set()
        this.dependent.set(other, dependents)
      }
      dependents.add(refusal)
    }
    this.trim(refusal)
  }

  /**
   * Whether any of the subjects has changed since a version. If so, a decision asked for then may predate the change and must not
   * be remembered.
   */
  changedSince(version: number, bot: number, keys: readonly Key[]): boolean {
    if (version < this.clearedAt || this.version - version > MOST_CHANGES) return true
    for (let nth = version; nth < this.version; nth++) {
      const change = this.changed[nth % MOST_CHANGES]
      if (change?.bot === bot && keys.includes(change.key)) return true
    }
    return false
  }

  /** A subject has changed: forgets its refusals and those that depend on its marks. */
  forget(bot: number, key: Key): void {
    const own = reportedKey(key)
    this.changed[this.version % MOST_CHANGES] = { bot, key: own }
    this.version++
    let refusal = this.bots.get(bot)?.get(own)
    while (refusal !== undefined) {
      const { next } = refusal
      this.remove(refusal)
      refusal = next
    }
    for (const dependent of [...(this.dependent.get(own) ?? [])]) {
      if (dependent.bot === bot) this.remove(dependent)
    }
  }

  /** Forgets all refusals of one judge. */
  forgetOf(owner: object): void {
    let refusal = this.oldest
    while (refusal !== undefined) {
      const { newer } = refusal
      if (refusal.owner === owner) this.remove(refusal)
      refusal = newer
    }
  }

  /** Forgets everything, because anything may have changed. */
  clear(): void {
    this.version++
    this.clearedAt = this.version
    this.bots.clear()
    this.dependent.clear()
    this.oldest = undefined
    this.newest = undefined
    this.size = 0
  }

  remove(refusal: Refusal): void {
    const { bot, key, next } = refusal
    const subjects = this.bots.get(bot)
    const first = subjects?.get(key)
    if (subjects === undefined || first === undefined) return
    if (first === refusal) {
      if (next !== undefined) subjects.set(key, next)
      else {
        subjects.delete(key)
        if (subjects.size === 0) this.bots.delete(bot)
      }
    } else {
      let before: Refusal | undefined = first
      while (before !== undefined && before.next !== refusal) before = before.next
      if (before === undefined) return
      before.next = next
    }
    refusal.next = undefined
    this.unlink(refusal)
    this.size--
    for (const other of refusal.alsoOf) {
      const dependents = this.dependent.get(other)
      if (dependents?.delete(refusal) && dependents.size === 0) this.dependent.delete(other)
    }
  }

  private makeRoom(now: Ms): void {
    // Examine two for each new one, so that expired ones do not pile up.
    for (let i = 0; i < 2; i++) {
      const { oldest } = this
      if (oldest !== undefined && oldest.until <= now) this.remove(oldest)
    }
    if (this.size < this.most) return
    let weakest: Refusal | undefined
    for (let i = 0; i < MOST_LOOKED_AT; i++) {
      const { oldest } = this
      if (oldest === undefined) break
      if (oldest.until <= now) {
        weakest = oldest
        break
      }
      if (weakest === undefined || isWeaker(oldest, weakest)) weakest = oldest
      oldest.hits >>= 1
      this.unlink(oldest)
      this.append(oldest)
    }
    if (weakest !== undefined) this.remove(weakest)
  }

  /** If a subject has too many refusals, removes the one that would have expired first. */
  private trim(newcomer: Refusal): void {
    let nth = 1
    let soonest = newcomer.next
    for (let other = newcomer.next; other !== undefined; other = other.next) {
      nth++
      if (other.until < (soonest as Refusal).until) soonest = other
    }
    if (nth > MOST_OF_ONE && soonest !== undefined) this.remove(soonest)
  }

  private append(refusal: Refusal): void {
    refusal.older = this.newest
    refusal.newer = undefined
    if (this.newest === undefined) this.oldest = refusal
    else this.newest.newer = refusal
    this.newest = refusal
  }

  private unlink(refusal: Refusal): void {
    const { older, newer } = refusal
    if (older === undefined) this.oldest = newer
    else older.newer = newer
    if (newer === undefined) this.newest = older
    else newer.older = older
    refusal.older = undefined
    refusal.newer = undefined
  }
}

/** Whether one refusal is worth less than another: it was used less or, if equal, expires sooner. */
function isWeaker(one: Refusal, other: Refusal): boolean {
  return one.hits === other.hits ? one.until < other.until : one.hits < other.hits
}
