import type { Api, Context } from 'grammy'
import type { ChatMemberAdministrator, ChatMemberOwner } from 'grammy/types'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Facts } from '../../core/facts.js'
import { later } from '../../core/later.js'
import { setNewest } from '../../core/maps.js'
import { CHAT_ADMINISTRATOR, CHAT_CREATOR, CHAT_RIGHTS } from '../../core/roles.js'
import type { Storage } from '../../storage/storage.js'
import { inTime } from '../chain/in-time.js'

const sharing = later('administrators', () => import('./administrator-changes.js'))

/** How long Telegram's answer is used. An update about a promotion invalidates it earlier. */
const BELIEVED_FOR: Ms = 600_000
/** How long a failed request is remembered, so that a flood does not cause a request per message. */
const FAILURE_FOR: Ms = 30_000
/** The longest an update waits for Telegram's answer: under polling the bot handles nothing else meanwhile. */
const PATIENCE: Ms = 2000
/** Most chats whose administrators are remembered. */
const MOST_CHATS = 10_000

interface Answer {
  /** Roles by user id. */
  readonly roles: ReadonlyMap<number, readonly string[]>
  readonly until: Ms
}

const NOBODY: ReadonlyMap<number, readonly string[]> = new Map()
const NONE: readonly string[] = Object.freeze([])
/** The rights of an anonymous administrator are unknown. */
const ANONYMOUS: readonly string[] = Object.freeze([CHAT_ADMINISTRATOR])
const OF_CREATORS: readonly string[] = Object.freeze([
  CHAT_CREATOR,
  CHAT_ADMINISTRATOR,
  ...CHAT_RIGHTS.map((right) => `chat:${right}`),
])

/** The administrators of chats as reported by Telegram, with a cache. */
export class ChatAdministrators {
  private readonly answers = new Map<string, Answer>()
  private readonly asking = new Map<string, Promise<Answer>>()
  /** Requests that ran into the time-out and are no longer awaited. */
  private readonly late = new Map<string, Promise<Answer>>()
  /** Stops watching the storage. Undefined while it is not watched. */
  private watching: Promise<(() => void) | undefined> | undefined

  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly failed: (error: unknown) => void,
    /** Reports the changes that other processes have seen. */
    private readonly storage: Pick<Storage, 'watch'>,
  ) {}

  /** Whether the actor is known to be an administrator, without a request. */
  known(facts: Facts, bot: number): boolean {
    // Only administrators can be anonymous.
    if (facts.actorKind === 'anonymous') return true
    if (facts.actorKind !== 'user' || facts.actorId === undefined) return false
    const answer = this.answers.get(`${bot} ${facts.chatId}`)
    return answer !== undefined && answer.until > this.clock() && answer.roles.has(facts.actorId)
  }

  /** Whether the actor is an administrator. Asks Telegram if necessary, once for all updates that wait. */
  includes(facts: Facts, ctx: Context): MaybePromise<boolean> {
    if (facts.actorKind === 'anonymous') return true
    const { actorId, chatId } = facts
    if (facts.actorKind !== 'user' || actorId === undefined || chatId === undefined) return false
    const answer = this.answerOf(ctx.me.id, chatId, ctx.api)
    return isPromise(answer) ? answer.then(({ roles }) => roles.has(actorId)) : answer.roles.has(actorId)
  }

  /** The roles of an anonymous administrator. */
  readonly anonymous: readonly string[] = ANONYMOUS

  /** Returns the roles that Telegram assigns to the actor of an update in its group or channel; asks Telegram like {@link includes}. */
  rolesOf(facts: Facts, ctx: Context): MaybePromise<readonly string[]> {
    const { actorId, chatId } = facts
    // Private chats, which have positive ids, have no administrators.
    if (actorId === undefined || chatId === undefined || chatId > 0) return NONE
    if (facts.actorKind === 'user') return this.rolesIn(ctx.me.id, chatId, actorId, ctx.api)
    // Only administrators can write as the chat itself, in groups and in channels.
    return actorId === chatId ? ANONYMOUS : NONE
  }

  /** Returns the roles that Telegram assigns to a user in a group or channel. */
  rolesIn(bot: number, chat: number, user: number, api: Api): MaybePromise<readonly string[]> {
    const answer = this.answerOf(bot, chat, api)
    return isPromise(answer)
      ? answer.then(({ roles }) => roles.get(user) ?? NONE)
      : (answer.roles.get(user) ?? NONE)
  }

  /**
   * Reads a membership update: if it changes an administrator, drops what is remembered of the chat. Returns whether other
   * processes have to do the same.
   */
  observe({ chatId }: Facts, { update, me }: Context): boolean {
    const { my_chat_member: own, chat_member: other } = update
    // A change of the bot's own status may change what it can see; rights may change without a promotion.
    const isChange =
      own !== undefined || administers(other?.old_chat_member) || administers(other?.new_chat_member)
    if (!isChange || chatId === undefined || chatId > 0) return false
    this.forget(me.id, chatId)
    return true
  }

  /** Drops what is remembered of a chat. */
  forget(bot: number, chat: number): void {
    const name = `${bot} ${chat}`
    this.answers.delete(name)
    // An answer that is on its way may predate the change.
    this.asking.delete(name)
    this.late.delete(name)
  }

  forgetAll(): void {
    for (const each of [this.answers, this.asking, this.late]) each.clear()
  }

  /** Stops watching the storage, without waiting: it may hang. */
  close(): void {
    this.watching?.then((stop) => stop?.())
  }

  private answerOf(bot: number, chat: number, api: Api): MaybePromise<Answer> {
    const name = `${bot} ${chat}`
    const answer = this.answers.get(name)
    return answer !== undefined && answer.until > this.clock() ? answer : this.asked(name, chat, api)
  }

  private asked(name: string, chat: number, api: Api): Promise<Answer> {
    let asking = this.asking.get(name)
    if (asking === undefined) {
      const own = this.ask(name, chat, api).then((answer) => {
        if (this.asking.get(name) !== own) return answer
        this.asking.delete(name)
        this.remember(name, answer)
        return answer
      })
      asking = own
      this.asking.set(name, own)
    }
    return asking
  }

  private async ask(name: string, chat: number, api: Api): Promise<Answer> {
    // The previous request is still unanswered; another one would most likely hang as well.
    if (this.late.has(name)) return this.nobody()
    const told = this.told(chat, api)
    try {
      return await inTime(told, PATIENCE, this.timers, tooLate)
    } catch (error) {
      this.failed(error)
      this.expectLate(name, told)
      return this.nobody()
    }
  }

  /** Keeps a late answer unless the chat was forgotten meanwhile. A late failure is ignored: the time-out has been reported. */
  private expectLate(name: string, told: Promise<Answer>): void {
    this.late.set(name, told)
    const settled = (answer?: Answer): void => {
      if (this.late.get(name) !== told) return
      this.late.delete(name)
      if (answer !== undefined) this.remember(name, answer)
    }
    told.then(settled, () => settled())
  }

  private async watch(): Promise<(() => void) | undefined> {
    try {
      const { forgetChanged } = await sharing.load()
      return await forgetChanged(this.storage, this)
    } catch (error) {
      this.watching = undefined
      this.failed(error)
      return undefined
    }
  }

  private nobody(): Answer {
    return { roles: NOBODY, until: this.clock() + FAILURE_FOR }
  }

  private remember(name: string, answer: Answer): void {
    setNewest(this.answers, name, answer, MOST_CHATS)
  }

  private async told(chat: number, api: Api): Promise<Answer> {
    // From the first question on, since until then there is nothing to forget.
    this.watching ??= this.watch()
    const members = await api.getChatAdministrators(chat)
    const roles = new Map(members.map((member) => [member.user.id, rolesOf(member)]))
    return { roles, until: this.clock() + BELIEVED_FOR }
  }
}

function tooLate(): SentinelError {
  return new SentinelError('callback.timeout', `getChatAdministrators: no answer within ${PATIENCE} ms.`)
}

/** Whether a member is an administrator. The value comes from outside, so its types are not certain. */
function administers(member: { readonly status?: unknown } | undefined): boolean {
  return member?.status === 'administrator' || member?.status === 'creator'
}

/** Returns a member's roles. The creator has every right, although Telegram lists none. */
function rolesOf(member: ChatMemberAdministrator | ChatMemberOwner): readonly string[] {
  if (member.status === 'creator') return OF_CREATORS
  const rights = CHAT_RIGHTS.filter((right) => member[right] === true)
  return [CHAT_ADMINISTRATOR, ...rights.map((right) => `chat:${right}`)]
}
