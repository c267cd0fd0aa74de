import { Context } from 'grammy'
import type { Chat, ChatMember, Update, User } from 'grammy/types'
import type { Judge, MaybePromise, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { describe } from '../../core/facts.js'
import { ownKey } from '../../core/subject.js'
import type { KnownBot } from '../services/bots.js'
import type { Services } from '../services.js'
import { Roster, type Standing } from './roster.js'
import { type Transition, transitionsOf } from './transitions.js'

/**
 * A member as listed by a {@link MemberSource}.
 *
 * @example
 * ```ts
 * import type { ListedMember } from 'grammy-sentinel'
 *
 * const alice: ListedMember = {
 *   user: { id: 7, isBot: false, firstName: 'Alice' },
 *   status: 'member',
 *   joinedAt: Date.UTC(2026, 10, 21),
 * }
 * ```
 */
export interface ListedMember {
  readonly user: {
    readonly id: number
    readonly isBot: boolean
    readonly firstName: string
    readonly lastName?: string
    readonly username?: string
  }
  readonly status: 'creator' | 'administrator' | 'member' | 'restricted' | 'banned' | 'left'
  /** In milliseconds since 1970, if known. */
  readonly joinedAt?: Ms
  readonly bannedBy?: number
}

/**
 * A source for the members of a chat: a client from `mtproto()`, or any object with these methods.
 *
 * @example
 * ```ts
 * import { type MemberSource, sentinel } from 'grammy-sentinel'
 *
 * declare const client: MemberSource // mtproto({ … })
 * const guard = sentinel({ membership: { roster: true } })
 * const { told } = await guard.membership.reconcile(client, -1001234567890)
 * console.log(told)
 * ```
 */
export interface MemberSource {
  members(
    chat: number,
    options?: {
      readonly filter?: 'banned'
      readonly onProgress?: (progress: { readonly seen: number; readonly total: number }) => void
      readonly signal?: AbortSignal
    },
  ): AsyncIterable<ListedMember>
  /** Returns one member; undefined for users who never were members. */
  member(chat: number, user: number): Promise<ListedMember | undefined>
}

/**
 * Options of `reconcile()`.
 *
 * @example
 * ```ts
 * import type { ReconcileOptions } from 'grammy-sentinel'
 *
 * const options: ReconcileOptions = { lookups: 100 }
 * ```
 */
export interface ReconcileOptions {
  /** Most users who are looked up one by one to see whether they left; the others wait for the next call. @default 500 */
  readonly lookups?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The result of `reconcile()`.
 *
 * @example
 * ```ts
 * import type { Reconciliation } from 'grammy-sentinel'
 *
 * const isDone = ({ complete, unlooked }: Reconciliation): boolean => complete && unlooked === 0
 * ```
 */
export interface Reconciliation {
  /** Number of transitions that were reported to handlers. */
  readonly told: number
  /** Whether this was the first call, which records the members and reports nothing. */
  readonly first: boolean
  /** Number of members that were listed, and the largest total that Telegram counted meanwhile. */
  readonly listed: number
  readonly total: number
  /**
   * Whether all members were listed. Telegram lists at most ten thousand, fewer for channels; others may have joined unnoticed.
   * False also if somebody left before they were listed. The next call reports joins since the last complete one, or since the
   * first one if none was complete.
   */
  readonly complete: boolean
  /** Number of users who may have left but were not looked up because of `lookups`. */
  readonly unlooked: number
  /** True if another worker was reconciling the chat; nothing was done then. */
  readonly busy: boolean
}

/** Reports transitions to handlers and listeners. */
type Tell = (transitions: readonly Transition[], bot: number) => MaybePromise<void>

const LOOKUPS = 500
/** Allows for the difference between Telegram's clock and ours, and for its whole seconds. */
const SLACK: Ms = 60_000
/** How long a worker that dies keeps the others from reconciling the chat. */
const LEASE: Ms = 600_000

const PLAN: Plan = {
  name: 'membership',
  scopes: ['chat'],
  checks: [
    {
      kind: 'claim',
      guard: 'membership',
      slot: 'membership.reconcile',
      subject: 0,
      tokens: 'digest',
      holdFor: LEASE,
      retry: true,
      whenHeld: 'refuse',
    },
  ],
}

const BUSY: Reconciliation = {
  told: 0,
  first: false,
  listed: 0,
  total: 0,
  complete: false,
  unlooked: 0,
  busy: true,
}

/**
 * Compares the members of a chat with the recorded ones and reports what was missed. Only one worker at a time reconciles a chat.
 */
export async function reconcile(
  services: Services,
  tell: Tell,
  source: MemberSource,
  chat: number,
  options: ReconcileOptions = {},
): Promise<Reconciliation> {
  const [bot] = services.bots.all()
  if (bot === undefined) {
    throw new SentinelError(
      'bot.unknown',
      'membership.reconcile: this sentinel does not know its bot yet. Call guard.install(bot) and await bot.init() first.',
    )
  }
  const judge: Judge = await services.storage.prepare(PLAN)
  const ask = { bot: bot.id, subjects: [ownKey('reconcile')], costs: [1], tokens: [Math.abs(chat)] }
  const { refusedBy, receipt } = await judge.evaluate(ask)
  if (refusedBy >= 0) return BUSY
  try {
    return await new Comparison(services, tell, source, bot, chat, options).run()
  } finally {
    if (receipt !== undefined) await judge.settle(receipt, 'release')
  }
}

class Comparison {
  readonly #roster: Roster
  #about: Chat | undefined
  #told = 0
  #lookups: number

  constructor(
    private readonly services: Services,
    private readonly tell: Tell,
    private readonly source: MemberSource,
    private readonly bot: KnownBot,
    private readonly chat: number,
    private readonly options: ReconcileOptions,
  ) {
    this.#roster = new Roster(services.storage.marks, bot.id, chat)
    this.#lookups = options.lookups ?? LOOKUPS
  }

  async run(): Promise<Reconciliation> {
    const { signal } = this.options
    const startedAt = this.services.clock()
    const lastAt = await this.#roster.reconciledAt()
    const known = new Map<number, Standing>()
    for await (const [user, standing] of this.#roster.entries()) known.set(user, standing)
    const there = new Set<number>()
    let total = 0
    const onProgress = (progress: { readonly total: number }): void => {
      // A member who leaves while the list is read may have been listed, and must not make up for one who was not.
      total = Math.max(total, progress.total)
    }
    for await (const member of this.source.members(this.chat, { onProgress, ...(signal && { signal }) })) {
      there.add(member.user.id)
      await this.#compare(member, known.get(member.user.id), lastAt)
    }
    const listed = there.size
    for await (const member of this.#banned()) {
      there.add(member.user.id)
      await this.#compare(member, known.get(member.user.id), lastAt)
    }
    const unlooked = await this.#lookUp([...known.keys()].filter((user) => !there.has(user)))
    const first = lastAt === undefined
    const complete = listed >= total
    // After an incomplete run, the next one still has to report who has joined since the last complete one, or the first.
    if (first || complete) await this.#roster.reconciled(startedAt)
    return { told: this.#told, first, listed, total, complete, unlooked, busy: false }
  }

  /** Lists banned users, which Telegram shows to administrators only. */
  async *#banned(): AsyncGenerator<ListedMember, void, undefined> {
    const { signal } = this.options
    try {
      yield* this.source.members(this.chat, { filter: 'banned', ...(signal && { signal }) })
    } catch (error) {
      if (!(error instanceof SentinelError) || error.code !== 'mtproto.refused') throw error
    }
  }

  /**
   * Looks up recorded members who are not listed. Lists shift while they are read, and may be incomplete, so each user is asked
   * about.
   */
  async #lookUp(gone: readonly number[]): Promise<number> {
    let unlooked = 0
    for (const user of gone) {
      this.options.signal?.throwIfAborted()
      if (this.#lookups <= 0) {
        unlooked++
        continue
      }
      this.#lookups--
      const member = await this.source.member(this.chat, user)
      const stranger = { user: { id: user, isBot: false, firstName: '' }, status: 'left' } as const
      await this.#compare(member ?? stranger, await this.#roster.standingOf(user), 0)
    }
    return unlooked
  }

  async #compare(member: ListedMember, was: Standing | undefined, lastAt: number | undefined): Promise<void> {
    const { user, joinedAt } = member
    const is = standingOf(member)
    if (user.id === this.bot.id || was === is) return
    // An update may have reported the change meanwhile.
    const before = await this.#roster.standingOf(user.id)
    if (before === is) return
    const isNews = lastAt !== undefined && (joinedAt === undefined || joinedAt >= lastAt - SLACK)
    // A member who is listed for the first time may have been there all along, so that is not reported. A change of a known
    // member is.
    if (before !== undefined || isNews) {
      await this.#tellOf(member, before, is)
      this.#told++
    }
    await this.#roster.note(user.id, is, this.services.clock())
  }

  /** Reports a change in the form of the update that was missed. */
  async #tellOf(member: ListedMember, before: Standing | undefined, is: Standing | undefined): Promise<void> {
    this.#about ??= (await this.bot.api.getChat(this.chat)) as Chat
    const user = userOf(member)
    const came = is !== undefined && is !== 'kicked' ? member.joinedAt : undefined
    const by = is === 'kicked' && member.bannedBy !== undefined ? member.bannedBy : user.id
    const from: User = by === user.id ? user : { id: by, is_bot: false, first_name: '' }
    const update = {
      update_id: 0,
      chat_member: {
        chat: this.#about,
        from,
        date: Math.floor((came ?? this.services.clock()) / 1000),
        old_chat_member: memberAs(user, before),
        new_chat_member: memberAs(user, is),
      },
    } as Update
    const ctx = new Context(update, this.bot.api, this.bot.me)
    const transitions = transitionsOf(describe(update, this.bot.reading), ctx)
    await this.tell(
      transitions.map((transition) => ({ ...transition, reconciled: true })),
      this.bot.id,
    )
  }
}

function standingOf({ status }: ListedMember): Standing | undefined {
  if (status === 'banned') return 'kicked'
  return status === 'left' ? undefined : status
}

function userOf({ user }: ListedMember): User {
  const { id, isBot, firstName, lastName, username } = user
  return {
    id,
    is_bot: isBot,
    first_name: firstName,
    ...(lastName !== undefined && { last_name: lastName }),
    ...(username !== undefined && { username }),
  }
}

/** Creates a chat member from a status; rights and dates are unknown. */
function memberAs(user: User, standing: Standing | undefined): ChatMember {
  const status = standing ?? 'left'
  const more = status === 'restricted' ? { is_member: true } : status === 'kicked' ? { until_date: 0 } : {}
  return { user, status, ...more } as ChatMember
}
