import type { Api, Context } from 'grammy'
import { isPromise, type MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Facts } from '../../core/facts.js'
import { type Later, later, madeLater } from '../../core/later.js'
import { setNewest } from '../../core/maps.js'
import { CHAT_ADMINISTRATOR } from '../../core/roles.js'
import type { Storage } from '../../storage/contract/storage.js'
import { type AdministratorAnswer as Answer, FAILURE_FOR } from './administrator-answer.js'
import type { AdministratorQuestions } from './administrator-questions.js'

const questioning = later('getChatAdministrators', () => import('./administrator-questions.js'))

/** Most chats whose administrators are remembered. */
const MOST_CHATS = 10_000

const NONE: readonly string[] = Object.freeze([])
/** The rights of an anonymous administrator are unknown. */
const ANONYMOUS: readonly string[] = Object.freeze([CHAT_ADMINISTRATOR])

/** The administrators of chats as reported by Telegram, with a cache. */
export class ChatAdministrators {
  private readonly answers = new Map<string, Answer>()
  private readonly asking = new Map<string, Promise<Answer>>()
  private readonly questions: Later<AdministratorQuestions>

  constructor(
    private readonly clock: Clock,
    timers: Timers,
    private readonly failed: (error: unknown) => void,
    /** Reports the changes that other processes have seen. */
    storage: Pick<Storage, 'watch'>,
  ) {
    this.questions = madeLater(
      questioning,
      ({ AdministratorQuestions }) => new AdministratorQuestions(clock, timers, failed, storage, this),
    )
  }

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
    this.questions.now?.open.delete(name)
  }

  forgetAll(): void {
    for (const each of [this.answers, this.asking, this.questions.now?.open]) each?.clear()
  }

  /** Stops watching the storage, without waiting: it may hang. */
  close(): void {
    this.questions.now?.close()
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
    try {
      return await (await this.questions.load()).ask(name, chat, api)
    } catch (error) {
      this.failed(error)
      return { roles: new Map(), until: this.clock() + FAILURE_FOR }
    }
  }

  remember(name: string, answer: Answer): void {
    setNewest(this.answers, name, answer, MOST_CHATS)
  }
}

/** Whether a member is an administrator. The value comes from outside, so its types are not certain. */
function administers(member: { readonly status?: unknown } | undefined): boolean {
  return member?.status === 'administrator' || member?.status === 'creator'
}
