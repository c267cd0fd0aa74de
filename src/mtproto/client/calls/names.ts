import type { tl } from '@mtcute/core'
import type { Clock } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import { getOrInsert, keepLatest, setNewest } from '../../../core/maps.js'
import type { Values } from '../../../storage/contract/values.js'
import { chatIdOfChannel } from '../../protocol/chat-ids.js'
import type { SessionStorage } from '../sessions/session-storage.js'
import { markedId } from './peers.js'
import { MtprotoRefusal, reasonOf } from './refusal.js'

const DAY: Ms = 86_400_000
/** A username is looked up again after a day, as in mtcute. */
const KEPT_FOR: Ms = DAY
/** How long an unoccupied username is remembered: shorter, because somebody may take it. */
const NOBODY_FOR: Ms = 3_600_000
/** Maximum number of usernames kept in memory; beyond it the one looked up longest ago is dropped. */
const MOST_NAMES = 10_000

/** Dependencies of Names. */
interface NamesParts {
  readonly values: Values
  /** Storage space of the session. */
  readonly space: string
  readonly peers: SessionStorage['peers']
  readonly clock: Clock
  /** Maximum number of lookups within a day. */
  readonly perDay: number
}

/** The part of `Caller` that lookups need. */
interface UsernameCaller {
  call(request: tl.contacts.RawResolveUsernameRequest): Promise<tl.contacts.TypeResolvedPeer>
}

/** Result of a lookup; `id` is undefined if nobody has the name. */
interface Known {
  readonly id: number | undefined
  readonly until: Ms
}

interface Asked {
  readonly since: Ms
  readonly count: number
}

/**
 * Resolves usernames. Telegram allows an account about two hundred lookups a day and then refuses until the next day, so each
 * result is cached until it expires or the name is seen on another account.
 */
export class Names {
  readonly #known = new Map<string, Known>()
  /** Names that changed hands since they were stored. */
  readonly #passed = new Set<string>()
  readonly #asking = new Map<string, Promise<number>>()
  #asked: Asked | undefined
  #recalling: Promise<void> | undefined

  constructor(private readonly parts: NamesParts) {}

  /** Lookups in the current day, which begins with the first lookup, and how many are left. */
  get quota(): { readonly asked: number; readonly left: number } {
    const asked = this.#today(this.#asked).count
    return { asked, left: Math.max(0, this.parts.perDay - asked) }
  }

  /**
   * Returns the id of the user or chat that has the username, as in the Bot API.
   *
   * @throws SentinelError `mtproto.refused`, with `USERNAME_NOT_OCCUPIED`; `mtproto.flood` when the day's lookups are used up.
   */
  async resolve(username: string, caller: UsernameCaller): Promise<number> {
    const name = username.replace(/^@/, '').toLowerCase()
    const known = this.#known.get(name) ?? (await this.#stored(name))
    if (known !== undefined && known.until > this.parts.clock()) return idOf(known)
    // Concurrent calls for the same name share one lookup.
    return getOrInsert(this.#asking, name, () =>
      this.#ask(name, caller).finally(() => this.#asking.delete(name)),
    )
  }

  /** Checks users and chats in an answer or update: cached names may have changed hands. */
  saw(told: unknown): void {
    if (this.#known.size === 0) return
    for (const each of peersIn(told)) {
      const names = namesOf(each)
      if (names === undefined) continue
      const id = idIn(each)
      for (const name of names) {
        const known = this.#known.get(name)
        if (known !== undefined && known.id !== id) this.#pass(name)
      }
      for (const [name, known] of this.#known) if (known.id === id && !names.includes(name)) this.#pass(name)
    }
  }

  #pass(name: string): void {
    this.#known.delete(name)
    this.#passed.add(name)
    keepLatest(this.#passed, MOST_NAMES)
  }

  /** Result stored by an earlier process or from an update. */
  async #stored(name: string): Promise<Known | undefined> {
    if (this.#passed.has(name)) return undefined
    const peer = await this.parts.peers.getByUsername(name)
    if (peer === null) return undefined
    const known = { id: peer.id, until: peer.updated + KEPT_FOR }
    if (known.until > this.parts.clock()) this.#note(name, known)
    return known
  }

  async #ask(name: string, caller: UsernameCaller): Promise<number> {
    await this.#count()
    const now = this.parts.clock()
    try {
      const { peer } = await caller.call({ _: 'contacts.resolveUsername', username: name })
      const known = { id: markedId(peer), until: now + KEPT_FOR }
      this.#note(name, known)
      this.#passed.delete(name)
      return idOf(known)
    } catch (error) {
      const reason = reasonOf(error)
      if (reason === 'USERNAME_NOT_OCCUPIED' || reason === 'USERNAME_INVALID') {
        this.#note(name, { id: undefined, until: now + NOBODY_FOR })
      }
      // Telegram was not asked, because the wait would have been too long.
      if (Object(error).code === 'mtproto.flood') await this.#uncount()
      throw error
    }
  }

  /** Counts a lookup. The session lease admits one process at a time, so no other process counts. */
  async #count(): Promise<void> {
    const { values, space, clock, perDay } = this.parts
    if (this.#asked === undefined) await this.#recall()
    // No await between here and the increment, so that no other call can interleave.
    const today = this.#today(this.#asked)
    if (today.count >= perDay) {
      const hours = Math.ceil((today.since + DAY - clock()) / 3_600_000)
      this.#asked = today
      throw new SentinelError(
        'mtproto.flood',
        `mtproto: ${today.count} names were looked up within a day, all that mtproto.namesPerDay allows; Telegram would refuse more for as long. Look up by id, or try again in ${hours} h.`,
      )
    }
    this.#asked = { since: today.since, count: today.count + 1 }
    await values.put(space, 'names', this.#asked, today.since + DAY)
  }

  /** Loads the count of an earlier process; concurrent callers share the load. */
  #recall(): Promise<void> {
    const { values, space } = this.parts
    const look = async () => {
      const stored = (await values.get(space, 'names')) as Asked | undefined
      this.#asked ??= this.#today(stored)
    }
    this.#recalling ??= look().finally(() => {
      this.#recalling = undefined
    })
    return this.#recalling
  }

  async #uncount(): Promise<void> {
    const { since, count } = this.#today(this.#asked)
    this.#asked = { since, count: Math.max(0, count - 1) }
    await this.parts.values.put(this.parts.space, 'names', this.#asked, since + DAY)
  }

  #today(last: Asked | undefined): Asked {
    const now = this.parts.clock()
    return last === undefined || now >= last.since + DAY ? { since: now, count: 0 } : last
  }

  #note(name: string, known: Known): void {
    setNewest(this.#known, name, known, MOST_NAMES)
  }
}

function idOf({ id }: Known): number {
  if (id !== undefined) return id
  throw new MtprotoRefusal('contacts.resolveUsername', 'USERNAME_NOT_OCCUPIED')
}

interface Seen {
  readonly _?: string
  readonly id?: number
  readonly userId?: number
  readonly min?: boolean
  readonly username?: string
  readonly usernames?: readonly { readonly username: string; readonly active?: boolean }[]
}

interface Told {
  readonly users?: readonly Seen[]
  readonly chats?: readonly Seen[]
  /** Some answers nest a further `updates` object, for instance that of an invitation. */
  readonly updates?: readonly Seen[] | Told
  readonly update?: Seen
}

/** Users, chats and username changes in an answer or update. */
function peersIn(told: unknown): readonly Seen[] {
  if (Array.isArray(told)) return told as Seen[]
  if (typeof told !== 'object' || told === null) return []
  const { users, chats, updates, update } = told as Told
  const changes = update === undefined ? listed(updates) : [...listed(updates), update]
  const inside = Array.isArray(updates) ? [] : peersIn(updates)
  return [
    ...listed(users),
    ...listed(chats),
    ...changes.filter((each) => each?._ === 'updateUserName'),
    ...inside,
  ]
}

/** Other answers may have a field of this name that is not an array. */
function listed(some: unknown): readonly Seen[] {
  return Array.isArray(some) ? (some as Seen[]) : []
}

/** Active names of a user or channel; undefined for `min` objects, which are incomplete, and for other objects. */
function namesOf({ _: kind, min, username, usernames = [] }: Seen): readonly string[] | undefined {
  if (min === true || (kind !== 'user' && kind !== 'channel' && kind !== 'updateUserName')) return undefined
  const active = usernames.filter((each) => each.active === true).map((each) => each.username)
  return [...(username === undefined ? [] : [username]), ...active].map((name) => name.toLowerCase())
}

function idIn({ _: kind, id = 0, userId = 0 }: Seen): number {
  if (kind === 'updateUserName') return userId
  return kind === 'channel' ? chatIdOfChannel(id) : id
}
