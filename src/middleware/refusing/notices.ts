import type { Api, Context } from 'grammy'
import { z } from 'zod'
import type { MaybePromise } from '../../core/check.js'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import { capacityOf, type Limit } from '../../core/limit.js'
import type { DenialReason, Denied } from '../../core/verdict.js'
import type { Background } from '../chain/background.js'
import { ownWay } from '../chain/bots.js'
import { callbackEnded } from '../chain/in-time.js'
import { limit as limitSchema, option, prompt } from '../options/schema.js'
import type { Denial } from './denial.js'
import { OwedNotices } from './owed-notices.js'
import { tapAnswer } from './tap-answer.js'
import { type Texts, type Translate, Wording } from './texts.js'

/** Any other would be said as it stands. */
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
      z.strictObject({
        blocked: words,
        unregistered: words,
        forbidden: words,
        limited: words,
        penalised: words,
        duplicate: words,
        repeated: words,
        busy: words,
        suspect: words,
        vetoed: words,
        denied: words,
        unavailable: words,
      } satisfies Record<DenialReason, z.ZodType>),
    ),
    'Your words by language and reason; {wait} stands for how long to wait.',
  ),
  t: option(prompt<Translate>(), 'Your translation; undefined falls back to the texts. In code only.'),
  budget: option(
    limitSchema,
    'Notices of this worker at most, or a flood of many makes the bot run into 429.',
    '20/1s',
  ),
})

/**
 * What is said, and how often.
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
  /** Your words by language and reason, such as `{ de: { limited: 'Langsam! Wieder in {wait}.' } }`. */
  readonly texts?: Readonly<Record<string, Texts>> | undefined
  /** Your translation; undefined falls back to the texts. */
  readonly t?: Translate | undefined
  /** Notices of this worker at most, or a flood of many makes the bot run into 429. @default '20/1s' */
  readonly budget?: Limit | undefined
}

const BUDGET: Limit = { amount: 20, per: 1000 }

/** How a denial is answered, for all guards of a chain. */
export class Notices {
  /** Notices not sent, since the budget was spent or too much was under way. */
  unsaid = 0
  /** Whether a group wants none; undefined where no group is asked. */
  quiet: ((bot: number, chat: number) => MaybePromise<boolean>) | undefined
  /** Due where nothing may be said. */
  owed = new OwedNotices()
  private budgetFullAt = 0
  private readonly wording: Wording
  private readonly budget: Limit

  constructor(
    { texts, t, budget = BUDGET }: NoticeOptions,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly background: Background,
    failed: (error: unknown, during: string) => void,
  ) {
    this.wording = new Wording(texts, t, (error) => failed(error, 'notices.t'))
    this.budget = budget
  }

  /**
   * Answers whoever was stopped, aside: the update does not wait for it.
   *
   * A tapped button is always answered, or clients spin and send again; a checkout is declined. A notice in a group
   * disturbs others, so it is given for commands only, and where Telegram lets it, for the offender's eyes alone.
   * What is no id is not sent back: an object that somebody made up may be endless.
   */
  answer<C extends Context>(ctx: C, facts: Facts, verdict: Denied, denial: Denial<C>, notice: boolean): void {
    // The first of the pair is being handled, or was: it answers.
    if (verdict.reason === 'duplicate') return
    const { guard, limit } = verdict
    const bot = ctx.me.id
    const own = typeof denial === 'function'
    const due =
      denial !== 'silent' &&
      (own ? notice || this.owes(bot, facts, guard, limit) : this.isDue(bot, facts, verdict, notice))
    const tapped = facts.kind === 'callback_query' && typeof ctx.callbackQuery?.id === 'string'
    if (tapped && !own) this.answerTap(ctx, verdict, due ? this.text(facts, verdict) : '')
    else if (facts.kind === 'pre_checkout_query' && typeof ctx.preCheckoutQuery?.id === 'string') {
      this.reply(ctx, verdict, 'decline', () =>
        ctx.answerPreCheckoutQuery(false, { error_message: this.text(facts, verdict, true) }),
      )
    } else if (facts.kind === 'shipping_query' && typeof ctx.shippingQuery?.id === 'string') {
      this.reply(ctx, verdict, 'decline', () =>
        ctx.answerShippingQuery(false, { error_message: this.text(facts, verdict, true) }),
      )
    } else if (due && denial === 'notice') this.send(ctx, facts, verdict, this.text(facts, verdict))
    if (!own) return
    const said = due && this.spend()
    if (due) this.owed.given(bot, facts, guard, limit)
    const text = this.text(facts, verdict)
    let isOpen = said
    let spins = tapped
    const say = (words = text): void => {
      if (!isOpen) return
      isOpen = false
      // The budget was charged when the function was called; what is sent is charged by itself.
      this.budgetFullAt -= this.each
      if (!this.isDue(bot, facts, verdict, true)) return
      if (tapped) this.answerTap(ctx, verdict, words)
      else this.send(ctx, facts, verdict, words)
      spins = false
    }
    this.aside(ctx, 'deny', async () => {
      try {
        await callbackEnded(denial({ ctx, facts, verdict, notice: said, text, say }), 'deny', this.timers)
      } finally {
        // Afterwards, so that the function may answer with a text: the first answer is the one that is seen.
        if (spins) this.aside(ctx, 'answer', () => unlessAnswered(() => ctx.answerCallbackQuery()))
      }
    })
  }

  /** What would be said, in the actor's language. Where something has to be, what is built in says it in place of an empty text. */
  text(facts: Facts, verdict: Denied, must = false): string {
    return this.wording.say(facts.languageCode, verdict, must)
  }

  /** Goes on from those that were in force before. */
  follow(before: Notices): void {
    this.unsaid = before.unsaid
    this.owed = before.owed
    this.budgetFullAt = before.budgetFullAt
  }

  /** Whether somebody may be told now what they could not be told when it was due. */
  owes(bot: number, facts: Facts, guard: string, limit: string): boolean {
    return this.owed.owes(bot, facts, guard, limit, this.clock()) && this.mayBeSaid(facts)
  }

  /** A notice that is due, or was where nothing may be said. What is due here and may not be said is owed. */
  private isDue(bot: number, facts: Facts, { guard, limit }: Denied, notice: boolean): boolean {
    if (this.mayBeSaid(facts)) {
      const due = notice || this.owed.owes(bot, facts, guard, limit, this.clock())
      if (due) this.owed.given(bot, facts, guard, limit)
      return due
    }
    // A checkout is declined in words, whatever is due.
    if (notice && facts.activity !== 'checkout') this.owed.owe(bot, facts, guard, limit, this.clock())
    return false
  }

  private mayBeSaid(facts: Facts): boolean {
    if (facts.kind === 'callback_query') return true
    if (facts.activity !== 'message' || facts.kind !== 'message') return false
    return facts.chatType === 'private' || (facts.inGroup && facts.command !== undefined)
  }

  /** With a text, if there is one and it may be said. */
  private answerTap(ctx: Context, verdict: Denied, text: string): void {
    const answer = text.trim() !== '' && this.spend() ? { text: tapAnswer(text) } : {}
    this.reply(ctx, verdict, 'answer', () => ctx.answerCallbackQuery(answer))
  }

  /** What is answered once. A handler that denies after all may have answered before. */
  private reply(ctx: Context, { guard }: Denied, what: string, call: () => Promise<unknown>): void {
    this.aside(ctx, what, guard === 'handler' ? () => unlessAnswered(call) : call)
  }

  private send(ctx: Context, facts: Facts, verdict: Denied, text: string): void {
    const chat = facts.chatId
    if (chat === undefined || text.trim() === '' || !this.spend()) return
    // Sent without a parse mode: Telegram takes every character as it stands, so nothing needs to be escaped.
    this.aside(ctx, 'notice', async () => {
      if (facts.inGroup && this.quiet !== undefined && (await this.quiet(ctx.me.id, chat))) {
        this.owed.owe(ctx.me.id, facts, verdict.guard, verdict.limit, this.clock())
        this.budgetFullAt -= this.each
        return
      }
      const thread = ctx.msg?.is_topic_message === true ? ctx.msg.message_thread_id : undefined
      const topic = typeof thread === 'number' ? { message_thread_id: thread } : {}
      if (facts.inGroup && facts.actorKind === 'user' && facts.actorId !== undefined) {
        try {
          await ctx.api.sendMessage(chat, text, {
            ...topic,
            ephemeral_message_parameters: { receiver_user_id: facts.actorId },
          })
          return
        } catch (error) {
          if (!isRefusal(error)) throw error
          // This chat or this server knows no ephemeral messages: fall through to a plain one.
        }
      }
      await ctx.api.sendMessage(chat, text, { ...topic, disable_notification: true })
    })
  }

  /** By calls of their own: the update has been answered by then, or is about to be. */
  private aside(ctx: { api: Api }, what: string, work: () => Promise<unknown>): void {
    const speaking = (): Promise<unknown> => {
      const own = ownWay(ctx.api)
      if (own !== ctx.api) ctx.api = own
      return work()
    }
    if (!this.background.run(what, speaking)) this.unsaid++
  }

  /** How long until there may be one more. */
  private get each(): Ms {
    return this.budget.per / this.budget.amount
  }

  /** A token bucket over all notices of this worker, or a flood of many makes us run into 429. */
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

/** As the Bot API says it, and as Telegram does. */
const ANSWERED = /query is too old|query.id.(is.)?invalid/i

async function unlessAnswered(call: () => Promise<unknown>): Promise<void> {
  try {
    await call()
  } catch (error) {
    // The developer's function has answered, or took its time until nobody waits for an answer any more. A text that is refused is news.
    if (!isRefusal(error) || !ANSWERED.test((error as Error).message)) throw error
  }
}

/** Telegram understood and said no, as opposed to not being reached. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'error_code' in error && error.error_code === 400
}
