import type { tl } from '@mtcute/core'
import type { Clock } from '../../../core/clock.js'
import type { Ms } from '../../../core/duration.js'
import { SentinelError } from '../../../core/errors.js'
import type { Values } from '../../../storage/values.js'
import { chatIdOfChannel } from '../../protocol/chat-ids.js'
import type { SessionStorage } from '../sessions/session-storage.js'
import type { Caller } from './caller.js'
import { MtprotoRefusal, reasonOf } from './refusal.js'

const DAY: Ms = 86_400_000
/** Whoever has a name is looked up anew after a day, as mtcute does. */
const KEPT_FOR: Ms = DAY
/** Somebody may take a name that nobody has. */
const NOBODY_FOR: Ms = 3_600_000
/** Names that are known; of more the one that was asked for longest ago is forgotten. */
const MOST_NAMES = 10_000

/** What looking up names stands on. */
export interface NamesParts {
  readonly values: Values
  /** Of the session. */
  readonly space: string
  readonly peers: SessionStorage['peers']
  readonly clock: Clock
  /** How many names Telegram is asked for within a day. */
  readonly perDay: number
}

/** Whose a name was when we asked, or that it was nobody's. */
interface Known {
  readonly id: number | undefined
  readonly until: Ms
}

interface Asked {
  readonly since: Ms
  readonly count: number
}

/**
 * Whose a username is. Telegram lets an account ask for some two hundred a day, and then for none until the next: so each is asked for once,
 * and kept until it is old or somebody else is seen with it.
 */
export class Names {
  readonly #known = new Map<string, Known>()
  /** Names that passed to others since they were written down. */
  readonly #passed = new Set<string>()
  readonly #asking = new Map<string, Promise<number>>()
  #asked: Asked | undefined
  #recalling: Promise<void> | undefined

  constructor(private readonly parts: NamesParts) {}

  /** Names asked for since the day began with the first, and how many more there are. */
  get quota(): { readonly asked: number; readonly left: number } {
    const asked = this.#today(this.#asked).count
    return { asked, left: Math.max(0, this.parts.perDay - asked) }
  }

  /**
   * The number of whoever has a name, as the Bot API has it.
   *
   * @throws SentinelError `mtproto.refused`, with `USERNAME_NOT_OCCUPIED`; `mtproto.flood` when all of a day were asked for.
   */
  async resolve(username: string, caller: Caller): Promise<number> {
    const name = username.replace(/^@/, '').toLowerCase()
    const known = this.#known.get(name) ?? (await this.#stored(name))
    if (known !== undefined && known.until > this.parts.clock()) return idOf(known)
    // Of many who ask for one name at once one asks Telegram.
    let asking = this.#asking.get(name)
    if (asking === undefined) {
      asking = this.#ask(name, caller).finally(() => this.#asking.delete(name))
      this.#asking.set(name, asking)
    }
    return asking
  }

  /** Looks at users and chats that Telegram tells of: names may be others' by now. */
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
    if (this.#passed.size > MOST_NAMES) forgetFirst(this.#passed)
  }

  /** What an earlier process, or an update, has left. */
  async #stored(name: string): Promise<Known | undefined> {
    if (this.#passed.has(name)) return undefined
    const peer = await this.parts.peers.getByUsername(name)
    if (peer === null) return undefined
    const known = { id: peer.id, until: peer.updated + KEPT_FOR }
    if (known.until > this.parts.clock()) this.#note(name, known)
    return known
  }

  async #ask(name: string, caller: Caller): Promise<number> {
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
      // Nobody was asked: it would have taken too long.
      if (Object(error).code === 'mtproto.flood') await this.#uncount()
      throw error
    }
  }

  /** Of processes that share a session one is at work at a time, so nobody else counts. */
  async #count(): Promise<void> {
    const { values, space, clock, perDay } = this.parts
    if (this.#asked === undefined) await this.#recall()
    // From here to the next count nobody else is let in.
    const today = this.#today(this.#asked)
    if (today.count >= perDay) {
      const hours = Math.ceil((today.since + DAY - clock()) / 3_600_000)
      this.#asked = today
      throw new SentinelError(
        'mtproto.flood',
        `mtproto: ${today.count} names were asked for within a day, which is all of mtproto.namesPerDay; Telegram would refuse more for as long. Ask by number, or again in ${hours} h.`,
      )
    }
    this.#asked = { since: today.since, count: today.count + 1 }
    await values.put(space, 'names', this.#asked, today.since + DAY)
  }

  /** What was counted before this process: looked up once, for all who ask meanwhile. */
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
    this.#known.delete(name)
    this.#known.set(name, known)
    if (this.#known.size > MOST_NAMES) forgetFirst(this.#known)
  }
}

function idOf({ id }: Known): number {
  if (id !== undefined) return id
  throw new MtprotoRefusal('contacts.resolveUsername', 'USERNAME_NOT_OCCUPIED')
}

function markedId(peer: tl.TypePeer): number {
  switch (peer._) {
    case 'peerUser':
      return peer.userId
    case 'peerChat':
      return -peer.chatId
    default:
      return chatIdOfChannel(peer.channelId)
  }
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
  /** Of some answers an object of their own, such as what an invitation brought about. */
  readonly updates?: readonly Seen[] | Told
  readonly update?: Seen
}

/** Users, chats and changes of names in an answer or an update. */
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

/** Answers have fields of one name and of other kinds. */
function listed(some: unknown): readonly Seen[] {
  return Array.isArray(some) ? (some as Seen[]) : []
}

/** Undefined of those who are mentioned in passing, and of what is nobody. */
function namesOf({ _: kind, min, username, usernames = [] }: Seen): readonly string[] | undefined {
  if (min === true || (kind !== 'user' && kind !== 'channel' && kind !== 'updateUserName')) return undefined
  const active = usernames.filter((each) => each.active === true).map((each) => each.username)
  return [...(username === undefined ? [] : [username]), ...active].map((name) => name.toLowerCase())
}

function idIn({ _: kind, id = 0, userId = 0 }: Seen): number {
  if (kind === 'updateUserName') return userId
  return kind === 'channel' ? chatIdOfChannel(id) : id
}

function forgetFirst(some: Map<string, unknown> | Set<string>): void {
  for (const first of some.keys()) {
    some.delete(first)
    return
  }
}
