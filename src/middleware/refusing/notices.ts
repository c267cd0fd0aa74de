import type { Api, Context } from 'grammy'
import { z } from 'zod'
import type { MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import { capacityOf, type Limit } from '../../core/limit.js'
import { setNewest } from '../../core/maps.js'
import type { DenialReason, Denied } from '../../core/verdict.js'
import { callbackEnded } from '../chain/in-time.js'
import { limit as limitSchema, option, prompt } from '../options/schema.js'
import type { Background } from '../services/background.js'
import { stopWebhookReplies } from '../services/bots.js'
import type { Denial } from './denial.js'
import { mayNotifyPrivately, notifyPrivately, type PlainTimes } from './ephemeral-notice.js'
import { countNotice, hasRoom, MOST_GROUPS, type TimeByGroup } from './group-notices.js'
import { inTopic } from './in-topic.js'
import { OwedNotices } from './owed-notices.js'
import { refusalCode, waitAfter } from './refusal-code.js'
import { tapAnswer } from './tap-answer.js'
import { REASONS, type Texts, type Translate, Wording } from './texts.js'

/** Any placeholder other than `{wait}`, which would be sent literally. */
const PLACEHOLDER = /\{\s*(?!wait\})\w+\s*\}/
const words = z
  .string()
  .refine((text) => !PLACEHOLDER.test(text), 'must hold no placeholder but {wait}')
  .optional()

export const noticeOptions = z.strictObject({
  texts: option(
    z.record(
      z
        .string()
        .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$/, 'must be a language tag such as "de" or "pt-br"'),
      z.strictObject(
        Object.fromEntries(REASONS.map((reason) => [reason, words])) as Record<DenialReason, typeof words>,
      ),
    ),
    'Texts by language and reason. {wait} stands for the time to wait.',
  ),
  t: option(
    prompt<Translate>(),
    'A translation function. If it returns undefined, texts are used. In code only.',
  ),
  budget: option(
    limitSchema,
    'At most this many notices from this process, so that a flood does not cause 429s.',
    '20/1s',
  ),
})

/**
 * Options for notices: their texts, and how many are sent.
 *
 * @example
 * ```ts
 * import { type NoticeOptions, parseLimit, sentinel } from 'grammy-sentinel'
 *
 * const notices: NoticeOptions = {
 *   texts: { de: { limited: 'Langsam! Wieder in {wait}.' } },
 *   budget: parseLimit('10/1s'),
 * }
 * sentinel({ notices })
 * ```
 */
export interface NoticeOptions {
  /** Your texts by language and reason, such as `{ de: { limited: 'Langsam! Wieder in {wait}.' } }`. */
  readonly texts?: Readonly<Record<string, Texts>> | undefined
  /** Your translation function; if it returns undefined, the texts are used. */
  readonly t?: Translate | undefined
  /** Most notices of this worker, so that a flood from many users does not make the bot run into 429. @default '20/1s' */
  readonly budget?: Limit | undefined
}

/** Answers denials, for all guards of a chain. */
export class Notices {
  /** Number of notices not sent because the budget was spent. Those that find the background full are counted there. */
  unsaid = 0
  /** Whether a group wants no notices; undefined if groups have no such setting. */
  quiet: ((bot: number, chat: number) => MaybePromise<boolean>) | undefined
  /** Notices that came due where none may be sent. */
  owed = new OwedNotices()
  /** When the budget of a group is full again. */
  private fullAt: TimeByGroup = new Map()
  private plainUntil: PlainTimes = new Map()
  /** Until when no message may be sent to a chat where Telegram has refused one, by the ids of the bot and the chat. */
  private waits = new Map<string, Ms>()
  /** When the last of these waits ends. */
  private waitsUntil: Ms = 0
  private budgetFullAt = 0
  private readonly wording: Wording
  private readonly budget: Limit

  constructor(
    { texts, t, budget }: NoticeOptions,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly background: Background,
    private readonly failed: (error: unknown, during: string) => void,
  ) {
    this.wording = new Wording(texts, t, (error) => failed(error, 'notices.t'))
    this.budget = noticeOptions.shape.budget.parse(budget)
  }

  /**
   * Answers a stopped update in the background; the update does not wait for it.
   *
   * A tapped button is always answered, otherwise the client shows a spinner and sends again; a checkout is declined; a request to
   * join that the bot has to decide is declined if its author is blocked, and otherwise left to the administrators. A notice in a
   * group disturbs others, so it is sent for commands only, and visible to the sender only where Telegram supports it. Query
   * ids that are not strings are not sent back, since a forged object may be arbitrarily large.
   */
  answer(ctx: Context, facts: Facts, verdict: Denied, denial: Denial, notice: boolean): void {
    // The first of the two updates is answered instead.
    if (verdict.reason === 'duplicate') return
    if (typeof denial === 'function') this.call(denial, ctx, facts, verdict, notice)
    else this.answerUsually(ctx, facts, verdict, denial, notice)
  }

  /** Sends the answer that Telegram or the user waits for, and the notice if one is due. */
  private answerUsually(
    ctx: Context,
    facts: Facts,
    verdict: Denied,
    denial: Extract<Denial, string>,
    notice: boolean,
  ): void {
    const due = denial === 'notice' && this.takeDue(ctx.me.id, facts, verdict, notice)
    if (this.decline(ctx, facts, verdict)) return
    const queue = joinAnswer(ctx, 'queue')
    if (isTap(ctx, facts)) this.answerTap(ctx, verdict, due ? this.text(facts, verdict) : '')
    else if (queue) this.reply(ctx, verdict, 'answer', queue)
    else if (due) this.send(ctx, facts, verdict, this.text(facts, verdict))
  }

  /** Calls the developer's function, and answers afterwards what it has left unanswered. What is declined does not wait for it. */
  private call(
    denial: Exclude<Denial, string>,
    ctx: Context,
    facts: Facts,
    verdict: Denied,
    notice: boolean,
  ): void {
    const { guard, limit } = verdict
    const bot = ctx.me.id
    // The function may send messages by itself, which Telegram would refuse as well.
    const mustWait = notice && this.waitsIn(bot, facts)
    if (mustWait) this.owed.owe(bot, facts, guard, limit, this.clock())
    const due = this.owes(bot, facts, guard, limit, notice && !mustWait)
    const isDeclined = this.decline(ctx, facts, verdict)
    const said = due && this.spend()
    if (due) this.owed.given(bot, facts, guard, limit)
    const text = this.text(facts, verdict)
    const tapped = isTap(ctx, facts)
    let isOpen = said
    let last = tapped ? () => ctx.answerCallbackQuery() : isDeclined ? undefined : joinAnswer(ctx, 'queue')
    const say = (words = text): void => {
      if (!isOpen) return
      isOpen = false
      // The budget was charged when the function was called. The actual notice is charged separately, so this charge is returned.
      this.budgetFullAt -= this.each
      if (!this.takeDue(bot, facts, verdict, true)) return
      if (tapped) this.answerTap(ctx, verdict, words)
      else this.send(ctx, facts, verdict, words)
      last = undefined
    }
    const answer = (): void => {
      const call = last
      if (call) this.aside(ctx, 'answer', () => unlessAnswered(call))
    }
    const work = async (): Promise<void> => {
      try {
        await callbackEnded(denial({ ctx, facts, verdict, notice: said, text, say }), 'deny', this.timers)
      } finally {
        // Only after the function, so that it may answer by itself: the first answer counts.
        answer()
      }
    }
    if (!this.aside(ctx, 'deny', work, facts.chatId)) answer()
  }

  /** Declines a checkout, a question for shipping options, or a blocked user's request to join; returns false for other updates. */
  private decline(ctx: Context, facts: Facts, verdict: Denied): boolean {
    const answer = declining(ctx, facts, verdict)
    if (answer === undefined) return false
    this.reply(ctx, verdict, 'decline', () => answer(this.text(facts, verdict, true)))
    return true
  }

  /** Returns the notice's text in the actor's language. With `must`, the built-in text replaces an empty one. */
  text(facts: Facts, verdict: Denied, must = false): string {
    return this.wording.say(facts.languageCode, verdict, must)
  }

  /** Takes over the state of the notices that reconfigure() replaces. */
  follow(before: Notices): void {
    this.unsaid = before.unsaid
    this.owed = before.owed
    this.fullAt = before.fullAt
    this.plainUntil = before.plainUntil
    this.waits = before.waits
    this.waitsUntil = before.waitsUntil
    this.budgetFullAt = before.budgetFullAt
  }

  /** Whether a notice is owed to the actor and may be sent now, or is `due` anyway. */
  owes(bot: number, facts: Facts, guard: string, limit: string, due = false): boolean {
    return due || (this.owed.has(bot, facts, guard, limit, this.clock()) && this.mayBeSaid(bot, facts))
  }

  /** Returns whether to send a notice, which then is not owed any more. A due notice that may not be sent here becomes owed. */
  private takeDue(bot: number, facts: Facts, { guard, limit }: Denied, notice: boolean): boolean {
    if (this.mayBeSaid(bot, facts)) {
      const due = notice || this.owed.has(bot, facts, guard, limit, this.clock())
      if (due) this.owed.given(bot, facts, guard, limit)
      return due
    }
    // A checkout is always declined with a text, so nothing is owed for it.
    if (notice && facts.activity !== 'checkout') this.owed.owe(bot, facts, guard, limit, this.clock())
    return false
  }

  private mayBeSaid(bot: number, facts: Facts): boolean {
    if (facts.kind === 'callback_query') return true
    if (facts.activity !== 'message' || facts.kind !== 'message' || this.waitsIn(bot, facts)) return false
    if (!facts.inGroup || facts.command === undefined) return facts.chatType === 'private'
    return hasRoom(this.fullAt, facts.chatId as number, this.clock())
  }

  /** Whether a message in the chat of an update has to wait. The answer to a tap is not a message. */
  private waitsIn(bot: number, { kind, chatId }: Facts): boolean {
    // Usually no chat waits, so that no name has to be created.
    if (kind === 'callback_query' || this.clock() >= this.waitsUntil) return false
    return (this.waits.get(`${bot} ${chatId}`) as number) > this.clock()
  }

  /** Answers a tap, with the text if it is not empty and the budget allows it. */
  private answerTap(ctx: Context, verdict: Denied, text: string): void {
    const answer = text.trim() !== '' && this.spend() ? { text: tapAnswer(text) } : {}
    this.reply(ctx, verdict, 'answer', () => ctx.answerCallbackQuery(answer))
  }

  /** Sends an answer that is possible only once. If a handler denies, it may already have answered itself. */
  private reply(ctx: Context, { guard }: Denied, what: string, call: () => Promise<unknown>): void {
    this.aside(ctx, what, guard === 'handler' ? () => unlessAnswered(call) : call)
  }

  private send(ctx: Context, facts: Facts, verdict: Denied, text: string): void {
    const chat = facts.chatId
    // The automatic forward of a post is not answered, as the post itself is not: its author is a channel.
    if (chat === undefined || text.trim() === '' || ctx.msg?.is_automatic_forward || !this.spend()) return
    if (facts.inGroup) countNotice(this.fullAt, chat, this.clock())
    const bot = ctx.me.id
    const owe = () => this.owed.owe(bot, facts, verdict.guard, verdict.limit, this.clock())
    this.aside(ctx, 'notice', async () => {
      if (facts.inGroup && this.quiet !== undefined && (await this.quiet(bot, chat))) {
        owe()
        this.budgetFullAt -= this.each
        return
      }
      try {
        if (await this.sendPrivately(ctx, facts, text)) return
        await ctx.api.sendMessage(chat, text, { ...inTopic(ctx), disable_notification: true })
      } catch (error) {
        // Telegram would refuse the same message again, but a flood limit, a fault or a cut connection ends.
        // Without a wait, people who flood would make the bot call Telegram with every refusal.
        if (![400, 403].includes(refusalCode(error) as number)) {
          owe()
          const name = `${bot} ${chat}`
          const until = this.clock() + waitAfter(error)
          setNewest(this.waits, name, Math.max(until, this.waits.get(name) ?? 0), MOST_GROUPS)
          this.waitsUntil = Math.max(until, this.waitsUntil)
        }
        throw error
      }
    })
  }

  /**
   * Tells the sender of a command in a group what nobody else should read: not at all if that is impossible, which costs none of
   * the budgets of notices, or beyond these budgets.
   */
  async notifyPrivately(ctx: Context, facts: Facts, text: string): Promise<void> {
    const { plainUntil } = this
    if (
      !this.mayBeSaid(ctx.me.id, facts) ||
      !mayNotifyPrivately(ctx, facts, plainUntil, this.clock()) ||
      !this.spend()
    )
      return
    countNotice(this.fullAt, facts.chatId as number, this.clock())
    await this.sendPrivately(ctx, facts, text)
  }

  /** Sends a text that only the actor of an update in a group sees; returns false if a plain message may be sent instead. */
  private async sendPrivately(ctx: Context, facts: Facts, text: string): Promise<boolean> {
    const failed = (error: unknown): void => this.failed(error, 'notice')
    return facts.inGroup && notifyPrivately(ctx, facts, text, this.plainUntil, this.clock, failed)
  }

  /** Runs work in the background, with API calls that are not sent as webhook replies: the webhook request may end before. */
  private aside(ctx: { api: Api }, what: string, work: () => Promise<unknown>, chat?: number): boolean {
    const speaking = (): Promise<unknown> => {
      stopWebhookReplies(ctx)
      return work()
    }
    return this.background.run(what, speaking, chat)
  }

  /** The time in which the budget allows one more notice. */
  private get each(): Ms {
    return this.budget.per / this.budget.amount
  }

  /** Takes one notice from the budget, a token bucket over all notices of this worker; false if it is spent. */
  private spend(): boolean {
    const now = this.clock()
    const { each } = this
    const missing = Math.max(0, Math.min(this.budgetFullAt - now, capacityOf(this.budget) * each))
    if (missing + each > capacityOf(this.budget) * each) {
      this.unsaid++
      return false
    }
    this.budgetFullAt = now + missing + each
    return true
  }
}

/** Whether an update is a tapped button that can be answered. */
function isTap(ctx: Context, { kind }: Facts): boolean {
  return kind === 'callback_query' && typeof ctx.callbackQuery?.id === 'string'
}

/**
 * Returns the call that declines a payment with a text, or a blocked user's request to join; undefined for other updates. The reason
 * is the same for a blocked chat, and for somebody who is not on the allow list, whose requests are not declined.
 */
function declining(
  ctx: Context,
  { kind }: Facts,
  { reason, limit }: Denied,
): ((text: string) => Promise<unknown>) | undefined {
  if (kind === 'pre_checkout_query' && typeof ctx.preCheckoutQuery?.id === 'string')
    return (text) => ctx.answerPreCheckoutQuery(false, { error_message: text })
  if (kind === 'shipping_query' && typeof ctx.shippingQuery?.id === 'string')
    return (text) => ctx.answerShippingQuery(false, { error_message: text })
  return reason === 'blocked' && limit === 'actor' ? joinAnswer(ctx, 'decline') : undefined
}

/**
 * Returns the call that answers a request to join; undefined unless the bot has to decide. Telegram requires an answer within ten
 * seconds from a bot that processes the requests of a chat.
 */
function joinAnswer(ctx: Context, result: 'decline' | 'queue'): (() => Promise<unknown>) | undefined {
  if (typeof ctx.chatJoinRequest?.query_id !== 'string') return undefined
  return () => ctx.answerChatJoinRequestQuery(result)
}

/** The messages of the Bot API, and of Telegram's own API. */
const ANSWERED = /query is too old|query.id.(is.)?invalid/i

async function unlessAnswered(call: () => Promise<unknown>): Promise<void> {
  try {
    await call()
  } catch (error) {
    // The function has answered already, or too late for anybody to wait for it. Any other error, such as for a bad text, is
    // reported.
    if (refusalCode(error) !== 400 || !ANSWERED.test((error as Error).message)) throw error
  }
}
