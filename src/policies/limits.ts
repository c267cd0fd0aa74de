import { z } from 'zod'
import { isPromise, type MaybePromise } from '../core/check.js'
import { type Duration, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { formatLimit, type Limit, type LimitInput, parseLimit } from '../core/limit.js'
import { isOfChat } from '../core/roles.js'
import { shown } from '../core/show.js'
import { type Key, keySubject, keyText, type Subject, type SubjectRef, subjectKey } from '../core/subject.js'
import { refuseStandIn } from '../middleware/block.js'
import { option, parseOptions } from '../middleware/options/schema.js'
import type { Services } from '../middleware/services.js'
import { type Changeable, misfit, storedLimit } from '../middleware/throttle/runtime-limits.js'
import { isHeld, pagesOf } from '../storage/contract/pages.js'
import type { Mark } from '../storage/contract/storage.js'
import { changedSlots, noteChanged, wasChanged } from './changed-limits.js'
import { foundLimit } from './found-limit.js'
import { type LimitBook, markOfLimit } from './limit-book.js'
import type { Policy } from './policy-options.js'
import { ROLE_LIMIT_MARK } from './role-limit-mark.js'
import { roleLimitKey } from './role-limits.js'

/**
 * Whose limit may be changed while the bot runs: a user (or a channel, or a group's anonymous administrators), a chat, or all
 * holders of a role.
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
  /** How long the change lasts. @default for good */
  readonly for?: Duration
  /** A reason for people, stored with the limit. */
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
  /** The name of the limit, such as `user`, or the name of a policy. */
  readonly limit: string
  /** Such as `5/1m`. */
  readonly value: string
  /** When it was set, in milliseconds since 1970. */
  readonly since: number
  /** When it expires, in milliseconds since 1970. Absent: never. */
  readonly until?: number
  readonly reason?: string
}

/**
 * Changes limits while the bot runs: `guard.limits`, with the option `limits: true`. Changes are kept in the storage and apply in
 * every process that shares it, from the next update on. A limit of a user or chat is a mark that the plan reads when it decides;
 * a limit of a role is part of the plan of each process.
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
   * Sets a limit for one or several holders, for all bots that the sentinel has met; before it has met any, for each bot it
   * meets. `limit` is its name (`user`, `throttle.user`, or the name of a policy), or a policy.
   *
   * @throws SentinelError `limit.unknown`, listing the known limits; `limit.invalid`; `subject.invalid` for a holder that the
   * limit does not support; `duration.invalid`; `role.unknown`; `option.invalid`, `option.unknown`.
   */
  set(
    whom: LimitHolder | readonly LimitHolder[],
    limit: string | Policy,
    to: LimitInput,
    options?: LimitChangeOptions,
  ): Promise<void>
  /**
   * Restores the usual limit, or all usual limits if none is named, including those of handlers not used in this process yet.
   * Returns how many changes were removed; 0 before a bot was met, when the removal is done later. Throws as `set()` does.
   */
  remove(whom: LimitHolder | readonly LimitHolder[], limit?: string | Policy): Promise<number>
  /**
   * Lists all changed limits, or those of one limit, each once and in no particular order, for all bots that were met, whether or
   * not this process has used them. Throws as `set()` does.
   */
  list(limit?: string | Policy): AsyncGenerator<StoredLimit, void, undefined>
}

/** The known options; `for` has a parser of its own, which also reports its errors. */
const changeOptions = z.strictObject({
  for: option(z.unknown(), 'How long it lasts.'),
  reason: option(z.string(), 'The reason, for people.'),
})

/** Most roles that may have their own value of one limit: all of them are part of every plan. */
const MOST_ROLES = 50

/** A parsed holder: the name and key of its mark. */
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

/** Implements `guard.limits`. */
export class StoredLimits implements LimitRegister {
  constructor(
    private readonly services: () => Services,
    private readonly book: LimitBook,
    /** Registers the limits of a policy that no handler has used yet. */
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
    for (const { told } of places) {
      if (told.role !== undefined) this.checkRoom(known, told.role)
      // No update is counted for such a user, so nothing would look the limit up.
      if (told.key !== undefined) refuseStandIn(keySubject(told.key), 'limits.set', 'pass')
    }
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
    const known = slot === undefined ? undefined : this.book.known.get(slot)
    const places = listOf(whom).map((each) => this.placeOf(each, known))
    return this.write((bot) => this.targetsOf(bot, places, slot), undefined)
  }

  async *list(limit?: string | Policy): AsyncGenerator<StoredLimit, void, undefined> {
    this.checkOn()
    const only = limit === undefined ? undefined : await this.slotOf(limit, 'limits.list')
    const { bots, storage } = this.services()
    const { marks } = storage
    const earlier: number[] = []
    for (const { id } of bots.all()) {
      for (const slot of only === undefined ? await this.slotsOf(id) : [only]) {
        const name = markOfLimit(slot)
        for await (const { entries } of pagesOf((from) => marks.scan(id, name, from))) {
          for (const { key, mark } of entries) {
            if (storedLimit(mark) === undefined) continue
            if (await isHeld(earlier, (bot) => marks.get(bot, key, name))) continue
            yield storedOf(keySubject(key), slot, mark.value as Limit, mark)
          }
        }
      }
      earlier.push(id)
    }
    for (const { slot, role, limit: value, ...mark } of this.book.roles.all()) {
      if (only === undefined || slot === only) yield storedOf({ role }, slot, value, mark)
    }
  }

  /** Returns the slots of all limits that this process knows, and of those that any process has changed. */
  private async slotsOf(bot: number): Promise<ReadonlySet<string>> {
    const changed = await changedSlots(this.services().storage.marks, bot)
    return new Set([...this.book.known.keys(), ...changed])
  }

  /** Returns what to write: one limit, or, without a slot, every limit that the storage holds for these holders. */
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
   * Writes a mark for all targets, or removes it; returns how many targets had one.
   *
   * @param noted The changed limit, recorded for processes that have not used it.
   */
  private async write(
    targetsOf: (bot: number) => MaybePromise<readonly Target[]>,
    mark: Mark | undefined,
    noted?: string,
  ): Promise<number> {
    const held = new Set<string>()
    await this.services().forEachBot('limits', async ({ id }) => {
      const { storage, events, clock } = this.services()
      // Awaited only if it is a promise: a synchronous storage must have the mark before the update that introduces a bot is decided.
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
        // Reads the change at once, without waiting for the notification from the storage.
        const read = told.role === undefined ? undefined : this.book.roles.read(id)
        if (isPromise(read)) await read
        const after = storedLimit(mark)
        events.tell('limit.changed', { bot: id, ...told, limit: slot, before, after, by: 'code' })
      }
    })
    return held.size
  }

  /** Returns the slot of a limit that is known here or was changed by another process. Throws as `set()` does. */
  private async slotOf(limit: string | Policy, what: string): Promise<string> {
    if (
      typeof limit === 'string' &&
      ![...this.book.known.values()].some(({ slot, name }) => slot === limit || name === limit)
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
    if (isPolicy && !this.book.known.has(`throttle.${limit.name}`)) this.note(limit)
    return foundLimit(this.book, isPolicy ? limit.name : limit, what)
  }

  /** @param known The limit, to check that it supports this kind of holder; undefined skips the check. */
  private placeOf(holder: LimitHolder, known: Changeable | undefined): Place {
    if (isRole(holder)) {
      const role = this.checkedRole(holder.role)
      return { mark: () => ROLE_LIMIT_MARK, key: (slot) => roleLimitKey(slot, role), told: { role } }
    }
    const key = subjectKey(holder)
    if (known !== undefined && !mayHold(holder, known)) {
      const { kind, name } = keySubject(key)
      const kinds = [known.users && 'users', known.chats && 'chats', 'roles'].filter((kind) => kind !== false)
      throw new SentinelError(
        'subject.invalid',
        `limits: ${known.name} can be changed for ${kinds.join(', ')}; this is a ${kind}${kind === 'chat' && name !== '' ? ' with a connection' : ''}. Pass a user id, subject.chat(-100…) or { role: 'vip' }.`,
      )
    }
    return { mark: markOfLimit, key: () => key, told: { key } }
  }

  private checkedRole(role: unknown): string {
    if (typeof role !== 'string' || role === '' || role.length > 64) {
      throw new SentinelError(
        'option.invalid',
        `limits: ${shown(role)} is not a role name. Pass a text of 1 to 64 characters, such as { role: 'vip' }.`,
      )
    }
    if (isOfChat(role)) {
      throw new SentinelError(
        'option.invalid',
        `limits: ${role} is a role that Telegram gives in a chat, which plans cannot read. Name a role that guard.grant() gives.`,
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
      `limits.set: ${MOST_ROLES} roles, the most allowed, have their own ${known.name}. Remove one.`,
    )
  }

  private checkOn(): void {
    if (this.book.isOpen) return
    throw new SentinelError(
      'option.invalid',
      'guard.limits: limits are not read from the storage. Pass sentinel({ limits: true }) in every process that shares it.',
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
  const { kind, name } = keySubject(subjectKey(holder))
  if (kind === 'chat') return known.chats && name === ''
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
