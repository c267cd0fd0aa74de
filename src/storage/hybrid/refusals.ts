import type { RefusalCause } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { type Key, textKey } from '../../core/subject.js'

/** The form under which changes tell of a subject. */
export function canonicalKey(key: Key): Key {
  if (typeof key === 'number') return key
  const kind = key[0]
  return kind === 'u' || kind === 'c' || kind === 's' ? textKey(key) : key
}

/** A refusal that would be given again without any effect, until a moment. */
export class Refusal {
  /** Others of the same subject. */
  next: Refusal | undefined
  /** In the order in which they are given up. */
  older: Refusal | undefined
  newer: Refusal | undefined
  /** How often it has answered since it was last spared. */
  hits = 0
  /** Somebody has gone to ask whether it is time for a notice. */
  asking = false

  constructor(
    /** Whose it is: the memory of one judge. */
    readonly owner: object,
    readonly bot: number,
    /** Of the subject of the check that refused. */
    readonly key: Key,
    readonly check: number,
    /** What a claim was asked for; -1 of other checks. */
    readonly token: number,
    readonly cost: number,
    readonly cause: RefusalCause,
    /** Whether callers tell the time. */
    readonly told: boolean,
    /** Until then it answers. */
    readonly until: Ms,
    /** Asking again can succeed from then on. */
    readonly end: Ms,
    /** Then one ask goes through, for a notice may be due. */
    readonly noticeAt: Ms,
    readonly remaining: readonly number[],
    /** Shadow checks before it that would have refused, too. */
    readonly shadowRefusals: readonly number[],
    /** By scope; who was asked about. */
    readonly subjects: readonly (Key | undefined)[],
    readonly costs: readonly number[],
    /** Subjects whose marks it depends on, beside its own. */
    readonly alsoOf: readonly Key[],
  ) {}
}

/** So many of one subject at most: a subject that taps a hundred buttons takes no more room than others. */
const MOST_OF_ONE = 8
/** So many are looked at to give one up. */
const MOST_LOOKED_AT = 16
/** Changes that are remembered one by one. */
const MOST_CHANGES = 512

/**
 * Remembered refusals of all judges, bounded. Of too many those go that answered least: what a flood of many accounts leaves
 * behind, one refusal each, goes before those of few who are refused again and again.
 */
export class RefusalMemory {
  size = 0
  private readonly bots = new Map<number, Map<Key, Refusal>>()
  private oldest: Refusal | undefined
  private newest: Refusal | undefined
  /** By the key of another subject than its own: the roles of a user who is refused in a chat. */
  private readonly dependent = new Map<Key, Set<Refusal>>()
  /** Counts changes. */
  version = 0
  private clearedAt = 0
  private readonly changed: { bot: number; key: Key }[] = []

  constructor(private readonly most: number) {}

  /** The first of a subject's; the rest follow it. */
  of(bot: number, key: Key): Refusal | undefined {
    return this.bots.get(bot)?.get(canonicalKey(key))
  }

  /** What is remembered of the same question, expired or not. */
  same(owner: object, bot: number, key: Key, check: number, token: number): Refusal | undefined {
    let known = this.of(bot, key)
    while (known !== undefined && !(known.owner === owner && known.check === check && known.token === token))
      known = known.next
    return known
  }

  /** Remembers one, in the place of what was remembered of the same question. */
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
   * Whether any of some subjects has changed since a version: what was asked then may have been decided before the change, and must
   * not be remembered after it.
   */
  changedSince(version: number, bot: number, keys: readonly Key[]): boolean {
    if (version < this.clearedAt || this.version - version > MOST_CHANGES) return true
    for (let nth = version; nth < this.version; nth++) {
      const change = this.changed[nth % MOST_CHANGES]
      if (change?.bot === bot && keys.includes(change.key)) return true
    }
    return false
  }

  /** Something about a subject has changed: forgets its own refusals, and those that its marks decide. */
  forget(bot: number, key: Key): void {
    const own = canonicalKey(key)
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

  /** Forgets all of one judge. */
  forgetOf(owner: object): void {
    let refusal = this.oldest
    while (refusal !== undefined) {
      const { newer } = refusal
      if (refusal.owner === owner) this.remove(refusal)
      refusal = newer
    }
  }

  /** Anything may have changed. */
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
    // Two are looked at for each that comes, so what has expired does not pile up.
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

  /** Of too many of one subject that goes which would have gone first by itself. */
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

/** Of two that are worth as much, the one goes that would have gone first by itself. */
function isWeaker(one: Refusal, other: Refusal): boolean {
  return one.hits === other.hits ? one.until < other.until : one.hits < other.hits
}
