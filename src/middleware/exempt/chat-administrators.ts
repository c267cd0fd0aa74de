import type { Api, Context } from 'grammy'
import type { ChatMemberAdministrator, ChatMemberOwner } from 'grammy/types'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import type { Facts } from '../../core/facts.js'
import { CHAT_ADMINISTRATOR, CHAT_CREATOR, CHAT_RIGHTS } from '../../core/roles.js'
import { inTime } from '../chain/in-time.js'

/** How long Telegram's answer is believed. Promotions that are seen as updates end it at once. */
const BELIEVED_FOR: Ms = 600_000
/** How long a failure to ask is believed, so that a flood does not ask for each of its messages. */
const FAILURE_FOR: Ms = 30_000
/** Updates wait for Telegram's answer so long at most: a bot that polls handles nothing else meanwhile. */
const PATIENCE: Ms = 2000
/** Chats remembered. */
const MOST_CHATS = 10_000

interface Answer {
  /** The roles of each, by id. */
  readonly roles: ReadonlyMap<number, readonly string[]>
  readonly until: Ms
}

const NOBODY: ReadonlyMap<number, readonly string[]> = new Map()
const NONE: readonly string[] = Object.freeze([])
/** Of somebody anonymous no more is known. */
const ANONYMOUS: readonly string[] = Object.freeze([CHAT_ADMINISTRATOR])
const OF_CREATORS: readonly string[] = Object.freeze([
  CHAT_CREATOR,
  CHAT_ADMINISTRATOR,
  ...CHAT_RIGHTS.map((right) => `chat:${right}`),
])

/** Who administers which chat, as Telegram tells, remembered. */
export class ChatAdministrators {
  private readonly answers = new Map<string, Answer>()
  private readonly asking = new Map<string, Promise<Answer>>()
  /** What nobody waits for any longer. */
  private readonly late = new Map<string, Promise<Answer>>()

  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Whether the actor is known to be one, without asking anybody. */
  known(facts: Facts, bot: number): boolean {
    // Only administrators can be anonymous.
    if (facts.actorKind === 'anonymous') return true
    if (facts.actorKind !== 'user' || facts.actorId === undefined) return false
    const answer = this.answers.get(`${bot} ${facts.chatId}`)
    return answer !== undefined && answer.until > this.clock() && answer.roles.has(facts.actorId)
  }

  /** Whether the actor is one; asks Telegram if need be, once for all who wait. */
  includes(facts: Facts, ctx: Context): MaybePromise<boolean> {
    if (facts.actorKind === 'anonymous') return true
    const { actorId, chatId } = facts
    if (facts.actorKind !== 'user' || actorId === undefined || chatId === undefined) return false
    const answer = this.answerOf(ctx.me.id, chatId, ctx.api)
    return isPromise(answer) ? answer.then(({ roles }) => roles.has(actorId)) : answer.roles.has(actorId)
  }

  /** What is known of whoever is anonymous in a group. */
  readonly anonymous: readonly string[] = ANONYMOUS

  /** The roles that Telegram gives the actor of an update, in its chat; asks Telegram as {@link includes} does. */
  rolesOf(facts: Facts, ctx: Context): MaybePromise<readonly string[]> {
    const { actorId, chatId } = facts
    if (chatId === undefined || !facts.inGroup) return NONE
    if (facts.actorKind === 'anonymous') return ANONYMOUS
    if (facts.actorKind !== 'user' || actorId === undefined) return NONE
    return this.rolesIn(ctx.me.id, chatId, actorId, ctx.api)
  }

  /** The roles that Telegram gives a user in a group or channel. */
  rolesIn(bot: number, chat: number, user: number, api: Api): MaybePromise<readonly string[]> {
    const answer = this.answerOf(bot, chat, api)
    return isPromise(answer)
      ? answer.then(({ roles }) => roles.get(user) ?? NONE)
      : (answer.roles.get(user) ?? NONE)
  }

  /** Looks at an update of a membership: where it changes who may do what, what is remembered of that chat is void. */
  observe({ chatId }: Facts, { update, me }: Context): void {
    const { my_chat_member: own, chat_member: other } = update
    if (chatId === undefined) return
    // The bot may see the chat differently now. Rights change without anybody being promoted.
    if (own !== undefined || administers(other?.old_chat_member) || administers(other?.new_chat_member)) {
      this.forget(me.id, chatId)
    }
  }

  /** What is remembered of a chat is void. */
  forget(bot: number, chat: number): void {
    const name = `${bot} ${chat}`
    this.answers.delete(name)
    // An answer that is under way may be the one from before.
    this.asking.delete(name)
    this.late.delete(name)
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
    // Asked before, and not answered yet: another call would only hang beside it.
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

  /** An answer that comes late holds, unless something has happened since. That it fails late is no news. */
  private expectLate(name: string, told: Promise<Answer>): void {
    this.late.set(name, told)
    const settled = (answer?: Answer): void => {
      if (this.late.get(name) !== told) return
      this.late.delete(name)
      if (answer !== undefined) this.remember(name, answer)
    }
    told.then(settled, () => settled())
  }

  private nobody(): Answer {
    return { roles: NOBODY, until: this.clock() + FAILURE_FOR }
  }

  private remember(name: string, answer: Answer): void {
    this.answers.delete(name)
    if (this.answers.size >= MOST_CHATS) this.answers.delete(this.answers.keys().next().value as string)
    this.answers.set(name, answer)
  }

  private async told(chat: number, api: Api): Promise<Answer> {
    const members = await api.getChatAdministrators(chat)
    const roles = new Map(members.map((member) => [member.user.id, rolesOf(member)]))
    return { roles, until: this.clock() + BELIEVED_FOR }
  }
}

function tooLate(): SentinelError {
  return new SentinelError('callback.timeout', `getChatAdministrators: no answer within ${PATIENCE} ms.`)
}

/** This comes from outside, so it may not have the types that it should have. */
function administers(member: { readonly status?: unknown } | undefined): boolean {
  return member?.status === 'administrator' || member?.status === 'creator'
}

/** Whoever created a chat has every right, though Telegram lists none. */
function rolesOf(member: ChatMemberAdministrator | ChatMemberOwner): readonly string[] {
  if (member.status === 'creator') return OF_CREATORS
  const rights = CHAT_RIGHTS.filter((right) => member[right] === true)
  return [CHAT_ADMINISTRATOR, ...rights.map((right) => `chat:${right}`)]
}
