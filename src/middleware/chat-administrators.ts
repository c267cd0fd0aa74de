import type { Context } from 'grammy'
import type { MaybePromise } from '../core/check.js'
import type { Clock } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import type { Facts } from '../core/facts.js'

/** How long Telegram's answer is believed. Promotions that are seen as updates end it at once. */
const BELIEVED_FOR: Ms = 600_000
/** How long a failure to ask is believed, so that a flood does not ask for each of its messages. */
const FAILURE_FOR: Ms = 30_000
/** Chats remembered. */
const MOST_CHATS = 10_000

interface Answer {
  readonly ids: ReadonlySet<number>
  readonly until: Ms
}

/** Who administers which chat, as Telegram tells, remembered. */
export class ChatAdministrators {
  private readonly answers = new Map<string, Answer>()
  private readonly asking = new Map<string, Promise<Answer>>()

  constructor(
    private readonly clock: Clock,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Whether the actor is known to be one, without asking anybody. */
  known(facts: Facts, bot: number): boolean {
    // Only administrators can be anonymous.
    if (facts.actorKind === 'anonymous') return true
    if (facts.actorKind !== 'user' || facts.actorId === undefined) return false
    const answer = this.answers.get(`${bot} ${facts.chatId}`)
    return answer !== undefined && answer.until > this.clock() && answer.ids.has(facts.actorId)
  }

  /** Whether the actor is one; asks Telegram if need be, once for all who wait. */
  includes(facts: Facts, ctx: Context): MaybePromise<boolean> {
    if (facts.actorKind === 'anonymous') return true
    const { actorId, chatId } = facts
    if (facts.actorKind !== 'user' || actorId === undefined || chatId === undefined) return false
    const name = `${ctx.me.id} ${chatId}`
    const answer = this.answers.get(name)
    if (answer !== undefined && answer.until > this.clock()) return answer.ids.has(actorId)
    return this.asked(name, chatId, ctx).then(({ ids }) => ids.has(actorId))
  }

  /** Somebody was promoted or demoted: what is remembered of that chat is void. */
  forget(bot: number, chat: number): void {
    const name = `${bot} ${chat}`
    this.answers.delete(name)
    // An answer that is under way may be the one from before.
    this.asking.delete(name)
  }

  private asked(name: string, chat: number, ctx: Context): Promise<Answer> {
    let asking = this.asking.get(name)
    if (asking === undefined) {
      const own = this.ask(chat, ctx).then((answer) => {
        if (this.asking.get(name) !== own) return answer
        this.asking.delete(name)
        this.answers.delete(name)
        if (this.answers.size >= MOST_CHATS) this.answers.delete(this.answers.keys().next().value as string)
        this.answers.set(name, answer)
        return answer
      })
      asking = own
      this.asking.set(name, own)
    }
    return asking
  }

  private async ask(chat: number, ctx: Context): Promise<Answer> {
    try {
      const members = await ctx.api.getChatAdministrators(chat)
      return { ids: new Set(members.map(({ user }) => user.id)), until: this.clock() + BELIEVED_FOR }
    } catch (error) {
      this.failed(error)
      return { ids: new Set(), until: this.clock() + FAILURE_FOR }
    }
  }
}
