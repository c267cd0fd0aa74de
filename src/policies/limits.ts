import { z } from 'zod'
import { isPromise, type MaybePromise } from '../core/check.js'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { formatLimit, type Limit, type LimitInput, parseLimit } from '../core/limit.js'
import { isOfChat } from '../core/roles.js'
import { shown } from '../core/show.js'
import { type Key, keySubject, keyText, type Subject, type SubjectRef, subjectKey } from '../core/subject.js'
import { option, parseOptions } from '../middleware/options/schema.js'
import type { Services } from '../middleware/services.js'
import { type Changeable, misfit, storedLimit } from '../middleware/throttle/runtime-limits.js'
import type { Mark } from '../storage/storage.js'
import { changedSlots, noteChanged, wasChanged } from './changed-limits.js'
import { foundLimit } from './found-limit.js'
import { type LimitBook, markOfLimit } from './limit-book.js'
import type { Policy } from './policy-options.js'
import { ROLE_LIMIT_MARK } from './role-limit-mark.js'
import { roleLimitKey } from './role-limits.js'

/**
 * Whose limit may be changed while the bot runs: a user (or a channel, or a group's anonymous administrators), a chat, or all who
 * hold a role.
 *
 * @example
 * ```ts
 * import { type LimitHolder, subject } from 'grammy-sentinel'
 *
 * const holders: readonly LimitHolder[] = [1234567, subject.chat(-1001234567890), { role: 'vip' }]
 * ```
 */
export type LimitHolder = Subject | { readonly role: string }

/**
 * Options of `guard.limits.set()`.
 *
 * @example
 * ```ts
 * import { type LimitChangeOptions, sentinel } from 'grammy-sentinel'
 *
 * const aDay: LimitChangeOptions = { for: '1d', reason: 'asked for it' }
 * await sentinel({ limits: true }).limits.set(1234567, 'user', '120/1m', aDay)
 * ```
 */
export interface LimitChangeOptions {
  /** For so long. @default for good */
  readonly for?: Duration
  /** Why, for people; kept with it. */
  readonly reason?: string
}

/**
 * A limit that was changed while the bot runs.
 *
 * @example
 * ```ts
 * import { sentinel, type StoredLimit } from 'grammy-sentinel'
 *
 * const line = ({ limit, value, until }: StoredLimit) => `${limit}: ${value} until ${until ?? 'further notice'}`
 * for await (const stored of sentinel({ limits: true }).limits.list()) console.log(line(stored))
 * ```
 */
export interface StoredLimit {
  readonly holder: SubjectRef | { readonly role: string }
  /** Its name, such as `user` or that of a policy. */
  readonly limit: string
  /** Such as `5/1m`. */
  readonly value: string
  /** When it was set, in milliseconds since 1970. */
  readonly since: number
  /** When it lapses, in milliseconds since 1970. Absent: never. */
  readonly until?: number
  readonly reason?: string
}

/**
 * Changes limits while the bot runs: `guard.limits`, with `limits: true`. What is set is kept in the storage and holds in every
 * process that shares it, from the next update on: a limit of a user or chat is a mark that the plan reads in the step in which it
 * decides; one of a role is in the plan of each process.
 *
 * @example
 * ```ts
 * import { type LimitRegister, sentinel, subject } from 'grammy-sentinel'
 *
 * const limits: LimitRegister = sentinel({ throttle: '20/1m', limits: true }).limits
 * await limits.set(1234567, 'user', '5/1m', { for: '1h' })
 * await limits.set([subject.chat(-1001234567890), { role: 'vip' }], 'user', '60/1m')
 * await limits.remove(1234567, 'user') // 1
 * ```
 */
export interface LimitRegister {
  /**
   * Sets a limit for some, for the bots it has met; before it has met any, for those that come. `limit` is its name (`user`,
   * `throttle.user`, that of a policy), or a policy.
   *
   * @throws SentinelError `limit.unknown`, naming those there are; `limit.invalid`; `subject.invalid` for whom a limit cannot be
   * changed; `duration.invalid`; `role.unknown`; `option.invalid`, `option.unknown`.
   */
  set(
    whom: LimitHolder | readonly LimitHolder[],
    limit: string | Policy,
    to: LimitInput,
    options?: LimitChangeOptions,
  ): Promise<void>
  /**
   * Lets the usual limit hold again, or all of them if none is named: those of handlers, too, that nobody has used yet in this
   * process. How many were taken back; 0 before a bot was met, when it is done as that comes. Throws as `set()` does.
   */
  remove(whom: LimitHolder | readonly LimitHolder[], limit?: string | Policy): Promise<number>
  /**
   * All that are set, or those of one limit, each once, in no promised order, of the bots it has met, and whether or not their
   * limits were used in this process; throws as `set()` does.
   */
  list(limit?: string | Policy): AsyncGenerator<StoredLimit, void, undefined>
}

/** Which there are; `for` is read, and refused, by a parser of its own. */
const changeOptions = z.strictObject({
  for: option(z.unknown(), 'For so long.'),
  reason: option(z.string(), 'Why, for people.'),
})

/** Roles that have a limit of their own, of one limit, at most: all of them are in every plan. */
const MOST_ROLES = 50

/** A holder, read: what its mark is called and lies on. */
interface Place {
  readonly mark: (slot: string) => string
  readonly key: (slot: string) => Key
  readonly told: { readonly key?: Key; readonly role?: string }
}

/** One limit of one holder. */
interface Target {
  readonly slot: string
  readonly place: Place
}

/** What is behind `guard.limits`. */
export class StoredLimits implements LimitRegister {
  constructor(
    private readonly services: () => Services,
    private readonly book: LimitBook,
    /** Gets to know the limits of a policy that no handler was reached with yet. */
    private readonly note: (policy: Policy) => void,
  ) {}

  async set(
    whom: LimitHolder | readonly LimitHolder[],
    limit: string | Policy,
    to: LimitInput,
    options: LimitChangeOptions = {},
  ): Promise<void> {
    this.checkOn()
    const known = this.find(limit, 'limits.set')
    const after = parseLimit(to, 'limits.set')
    const problem = misfit(known, after)
    if (problem !== undefined) throw new SentinelError('limit.invalid', `limits.set: ${problem}`)
    parseOptions('limits.set', changeOptions, options)
    const { reason } = options
    const since = this.services().clock()
    const span = options.for === undefined ? undefined : parseDuration(options.for, 'limits.set.for')
    const places = listOf(whom).map((each) => this.placeOf(each, known))
    for (const { told } of places) if (told.role !== undefined) this.checkRoom(known, told.role)
    const mark: Mark = {
      since,
      ...(span === undefined ? {} : { until: since + span }),
      ...(reason === undefined ? {} : { reason }),
      value: after,
    }
    const targets = places.map((place) => ({ slot: known.slot, place }))
    await this.write(() => targets, mark, known.slot)
  }

  async remove(whom: LimitHolder | readonly LimitHolder[], limit?: string | Policy): Promise<number> {
    this.checkOn()
    const slot = limit === undefined ? undefined : await this.slotOf(limit, 'limits.remove')
    const known = this.book.all().find((each) => each.slot === slot)
    const places = listOf(whom).map((each) => this.placeOf(each, known))
    return this.write((bot) => this.targetsOf(bot, places, slot), undefined)
  }

  async *list(limit?: string | Policy): AsyncGenerator<StoredLimit, void, undefined> {
    this.checkOn()
    const only = limit === undefined ? undefined : await this.slotOf(limit, 'limits.list')
    const earlier: number[] = []
    for (const { id } of this.services().bots.all()) {
      for (const slot of only === undefined ? await this.slotsOf(id) : [only]) {
        for await (const [key, mark] of this.held(id, slot)) {
          if (await this.heldByAny(earlier, key, slot)) continue
          yield storedOf(keySubject(key), slot, mark.value as Limit, mark)
        }
      }
      earlier.push(id)
    }
    for (const { slot, role, limit: value, ...mark } of this.book.roles.all()) {
      if (only === undefined || slot === only) yield storedOf({ role }, slot, value, mark)
    }
  }

  /** What was set for somebody, of one limit, by any of the bots. */
  async of(key: Key, known: Changeable): Promise<Mark | undefined> {
    for (const { id } of this.services().bots.all()) {
      const mark = await this.services().storage.marks.get(id, key, markOfLimit(known.slot))
      if (mark !== undefined && storedLimit(mark) !== undefined) return mark
    }
    return undefined
  }

  private async *held(bot: number, slot: string): AsyncGenerator<[Key, Mark], void, undefined> {
    let from: string | undefined
    do {
      const page = await this.services().storage.marks.scan(bot, markOfLimit(slot), from)
      for (const { key, mark } of page.entries) if (storedLimit(mark) !== undefined) yield [key, mark]
      from = page.next
    } while (from !== undefined)
  }

  private async heldByAny(bots: readonly number[], key: Key, slot: string): Promise<boolean> {
    for (const bot of bots) {
      if ((await this.services().storage.marks.get(bot, key, markOfLimit(slot))) !== undefined) return true
    }
    return false
  }

  /** All limits that may be changed for a bot, and that were, here or in other processes. */
  private async slotsOf(bot: number): Promise<ReadonlySet<string>> {
    const changed = await changedSlots(this.services().storage.marks, bot)
    return new Set([...this.book.all().map(({ slot }) => slot), ...changed])
  }

  /** What is to be written: for one limit, or for all that the storage has of these, whether used in this process or not. */
  private targetsOf(
    bot: number,
    places: readonly Place[],
    slot: string | undefined,
  ): MaybePromise<readonly Target[]> {
    if (slot !== undefined) return places.map((place) => ({ slot, place }))
    const all = places.map((place) => {
      const held = this.slotsHeld(bot, place)
      const go = (slots: readonly string[]): Target[] => slots.map((each) => ({ slot: each, place }))
      return isPromise(held) ? held.then(go) : go(held)
    })
    return all.some(isPromise) ? Promise.all(all).then((found) => found.flat()) : (all as Target[][]).flat()
  }

  private slotsHeld(bot: number, { key, told }: Place): MaybePromise<readonly string[]> {
    const { roles } = this.book
    if (told.role !== undefined) {
      const ofRole = (): string[] =>
        roles.all().flatMap(({ slot, role }) => (role === told.role ? [slot] : []))
      const read = roles.read(bot)
      return isPromise(read) ? read.then(ofRole) : ofRole()
    }
    const begin = markOfLimit('')
    const go = (marks: ReadonlyMap<string, Mark>): string[] =>
      [...marks.keys()].flatMap((name) => (name.startsWith(begin) ? [name.slice(begin.length)] : []))
    const marks = this.services().storage.marks.of(bot, key(''))
    return isPromise(marks) ? marks.then(go) : go(marks)
  }

  /**
   * Puts a mark on all, or takes it away; how many held one.
   *
   * @param noted The limit that is changed, for processes that have not used it.
   */
  private async write(
    targetsOf: (bot: number) => MaybePromise<readonly Target[]>,
    mark: Mark | undefined,
    noted?: string,
  ): Promise<number> {
    const held = new Set<string>()
    await this.services().forEachBot('limits', async ({ id }) => {
      const { storage, events, clock } = this.services()
      // Awaited only where it takes time: a storage that answers at once has it before the update that a bot is met by.
      const noting = noted === undefined ? undefined : noteChanged(storage.marks, id, noted, clock())
      if (isPromise(noting)) await noting
      const targets = targetsOf(id)
      for (const { slot, place } of isPromise(targets) ? await targets : targets) {
        const { told } = place
        const [name, key] = [place.mark(slot), place.key(slot)]
        const found = storage.marks.get(id, key, name)
        const before = storedLimit(isPromise(found) ? await found : found)
        if (before !== undefined) held.add(`${keyText(key)} ${name}`)
        if (mark === undefined && before === undefined) continue
        const written =
          mark === undefined
            ? storage.marks.remove(id, name, [key])
            : storage.marks.put(id, name, [{ key, mark }])
        if (isPromise(written)) await written
        // This process need not wait to be told of its own change.
        const read = told.role === undefined ? undefined : this.book.roles.read(id)
        if (isPromise(read)) await read
        const after = storedLimit(mark)
        events.tell('limit.changed', { bot: id, ...told, limit: slot, before, after, by: 'code' })
      }
    })
    return held.size
  }

  /** The slot of a limit that there is here, or that another process has changed. Throws as `set()` does. */
  private async slotOf(limit: string | Policy, what: string): Promise<string> {
    if (
      typeof limit === 'string' &&
      !this.book.all().some(({ slot, name }) => slot === limit || name === limit)
    ) {
      const { bots, storage } = this.services()
      for (const { id } of bots.all()) {
        for (const slot of [limit, `throttle.${limit}`]) {
          if (await wasChanged(storage.marks, id, slot)) return slot
        }
      }
    }
    return this.find(limit, what).slot
  }

  private find(limit: string | Policy, what: string): Changeable {
    const isPolicy = typeof limit === 'object' && limit !== null
    if (isPolicy && !this.book.knows(limit.name)) this.note(limit)
    return foundLimit(this.book, isPolicy ? limit.name : limit, what)
  }

  /** @param known The limit, where it is one that may not be changed for all. */
  private placeOf(holder: LimitHolder, known: Changeable | undefined): Place {
    if (isRole(holder)) {
      const role = this.checkedRole(holder.role)
      return { mark: () => ROLE_LIMIT_MARK, key: (slot) => roleLimitKey(slot, role), told: { role } }
    }
    const key = subjectKey(holder)
    if (known !== undefined && !mayHold(holder, known)) {
      const kinds = [known.users && 'users', known.chats && 'chats', 'roles'].filter((kind) => kind !== false)
      throw new SentinelError(
        'subject.invalid',
        `limits: ${known.name} can be changed for ${kinds.join(', ')}; this is a ${keySubject(key).kind}. Pass a user id, subject.chat(-100…) or { role: 'vip' }.`,
      )
    }
    return { mark: markOfLimit, key: () => key, told: { key } }
  }

  private checkedRole(role: unknown): string {
    if (typeof role !== 'string' || role === '' || role.length > 64) {
      throw new SentinelError(
        'option.invalid',
        `limits: ${shown(role)} is no name of a role. Pass a text of 1 to 64 characters, such as { role: 'vip' }.`,
      )
    }
    if (isOfChat(role)) {
      throw new SentinelError(
        'option.invalid',
        `limits: ${role} is held in a chat, and not by a mark that the plan could read. Name a role that guard.grant() gives.`,
      )
    }
    this.services().roles.check(role, 'limits')
    return role
  }

  private checkRoom(known: Changeable, role: string): void {
    const held = this.book.roles.all().filter(({ slot }) => slot === known.slot)
    if (held.length < MOST_ROLES || held.some((each) => each.role === role)) return
    throw new SentinelError(
      'limit.invalid',
      `limits.set: ${MOST_ROLES} roles have a ${known.name} of their own, and no more may: they are in every plan. Remove one.`,
    )
  }

  private checkOn(): void {
    if (this.book.isOpen) return
    throw new SentinelError(
      'option.invalid',
      'guard.limits: limits are not read from the storage. Say sentinel({ limits: true }), in every process that shares it.',
    )
  }
}

function listOf(whom: LimitHolder | readonly LimitHolder[]): readonly LimitHolder[] {
  return Array.isArray(whom) ? whom : [whom as LimitHolder]
}

function isRole(holder: LimitHolder): holder is { readonly role: string } {
  return typeof holder === 'object' && holder !== null && 'role' in holder
}

function mayHold(holder: LimitHolder, known: Changeable): boolean {
  if (isRole(holder)) return true
  const { kind } = keySubject(subjectKey(holder))
  if (kind === 'chat') return known.chats
  return (kind === 'user' || kind === 'sender') && known.users
}

function storedOf(
  holder: StoredLimit['holder'],
  slot: string,
  value: Limit,
  {
    since,
    until,
    reason,
  }: { readonly since: number; readonly until?: number | undefined; readonly reason?: string | undefined },
): StoredLimit {
  return {
    holder,
    limit: slot.replace(/^throttle\./, ''),
    value: formatLimit(value),
    since,
    ...(until === undefined ? {} : { until }),
    ...(reason === undefined ? {} : { reason }),
  }
}
