import type { Api, Context } from 'grammy'
import type { InlineKeyboardButton, InlineKeyboardMarkup, Message } from 'grammy/types'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { Facts } from '../core/facts.js'
import { inTime } from '../core/in-time.js'
import { formatLimit, type Limit } from '../core/limit.js'
import { chatKey } from '../core/subject.js'
import { notifiedBy } from '../middleware/recent.js'
import { sendOnlyTo } from '../middleware/refusing/ephemeral-notice.js'
import { inTopic } from '../middleware/refusing/in-topic.js'
import { PLAIN } from '../middleware/refusing/plain.js'
import { refusalCode } from '../middleware/refusing/refusal-code.js'
import { tapAnswer } from '../middleware/refusing/tap-answer.js'
import type { Services } from '../middleware/services.js'
import { type Choice, choiceIn, dataOf, isOfMenu } from './choice.js'
import type { SettingsRegister } from './register.js'
import type { Tunable, Tuning } from './settings-options.js'
import { inTurn } from './turns.js'
import { SettingsWording, type SettingText } from './wording.js'

/** The type of abort signals that grammY accepts. */
type Signal = Parameters<Api['editMessageText']>[4]

/** Buttons in one row. */
const A_ROW = 4
/** Limits whose names are translated. */
const NAMED: ReadonlySet<string> = new Set(['user', 'chat', 'member'] satisfies SettingText[])

/** Answers after which the menu is drawn again. */
const SHOWN_ANEW: ReadonlySet<SettingText> = new Set<SettingText>(['saved', 'unchanged', 'stale', 'closed'])
/** The longest wait for an edit of the menu. */
const PATIENCE: Ms = 10_000
/** The longest wait for the administrators of a chat. Answers to taps expire after 15 seconds. */
const PATIENCE_TO_ASK: Ms = 5000
/** How long the command of somebody who was refused the menu is not answered again, nor Telegram asked about them. */
const REFUSED_FOR: Ms = 60_000

/** The menu of `/sentinel`: draws it, checks who may use it, and carries out what its buttons ask for. */
export class Menu {
  private readonly wording: SettingsWording

  constructor(
    private readonly services: Services,
    private readonly settings: SettingsRegister,
    private readonly tuning: Tuning,
  ) {
    this.wording = new SettingsWording(tuning.texts, tuning.t, (error) => this.failed(error, 'settings.t'))
  }

  async asked(facts: Facts, ctx: Context): Promise<void> {
    const { chatId: chat, actorId } = facts
    if (chat === undefined) return
    if (!facts.inGroup) {
      await ctx.api.sendMessage(chat, this.say(facts, 'groupsOnly'), inTopic(ctx))
      return
    }
    // In turn, so that a burst of commands asks Telegram once.
    const who = `${ctx.me.id} ${chat} ${facts.actorKind} ${actorId}`
    if (await inTurn(this.services.events, who, () => this.isRefused(facts, ctx, chat, who))) return
    const menu = await this.draw(facts, ctx.me.id, chat)
    // The answer to a command that the others cannot see is not for them either.
    const isEphemeral = ctx.msg?.ephemeral_message_id !== undefined && facts.actorKind === 'user'
    const keyboard = { reply_markup: menu.keyboard }
    if (!isEphemeral) await ctx.api.sendMessage(chat, menu.text, { ...inTopic(ctx), ...keyboard })
    else if (!(await sendOnlyTo(ctx, chat, actorId as number, menu.text, keyboard)))
      throw new Error('the Bot API server does not know ephemeral messages')
  }

  /**
   * Whether somebody may not open the menu, which they are told once a minute. Otherwise anybody could make the bot run into the
   * flood limits of the group.
   */
  private async isRefused(facts: Facts, ctx: Context, chat: number, who: string): Promise<boolean> {
    const { steady, notices } = this.services
    const refused = notifiedBy(this.services, 'settings', REFUSED_FOR)
    if (refused.get(who, steady())) return true
    if (await this.isAdministrator(facts, ctx, chat)) return false
    refused.set(who, true, steady())
    await notices.notifyPrivately(ctx, facts, this.say(facts, 'adminsOnly'))
    return true
  }

  async tapped(facts: Facts, ctx: Context): Promise<void> {
    let answer: SettingText = 'failed'
    try {
      answer = await this.chosen(facts, ctx)
    } catch (error) {
      this.failed(error, 'settings.menu')
    }
    const loud = answer !== 'saved' && answer !== 'unchanged' && answer !== 'closed'
    const answering = ctx.answerCallbackQuery({ text: tapAnswer(this.say(facts, answer)), show_alert: loud })
    // The answer does not wait for the menu: Telegram limits edits, and answers to taps expire.
    const showing = SHOWN_ANEW.has(answer) ? this.showAnew(facts, ctx, answer === 'closed') : undefined
    try {
      await answering
    } finally {
      await showing
    }
  }

  /** Carries out a tap. Trusts only the user and chat of the update, which come from Telegram; the callback data may be forged. */
  private async chosen(facts: Facts, ctx: Context): Promise<SettingText> {
    const { chatId: chat } = facts
    const message = ctx.callbackQuery?.message
    if (chat === undefined || message === undefined || !facts.inGroup) return 'groupsOnly'
    const asked = this.isAdministrator(facts, ctx, chat)
    // A failure is reported when it is the turn of this tap.
    asked.catch(() => undefined)
    // Taps in one chat are handled in turn, so each reports the change that it made itself, and the last one decides, however
    // long Telegram takes to answer about each.
    return inTurn(this.services.events, `${ctx.me.id} ${chat}`, async () => {
      if (!(await asked)) return 'adminsOnly'
      const choice = choiceIn(this.tuning, ctx.callbackQuery?.data ?? '')
      if (choice === undefined) return 'stale'
      if (choice.kind === 'close') return 'closed'
      return (await this.apply(facts, ctx.me.id, chat, choice)) ? 'saved' : 'unchanged'
    })
  }

  /** Draws the menu again, or closes it. In turn, so that the menu that is drawn last shows the latest state. Never rejects. */
  private async showAnew(facts: Facts, ctx: Context, isClosed: boolean): Promise<void> {
    const { chatId: chat = 0 } = facts
    try {
      await inTurn(this.services.events, `${ctx.me.id} ${chat} menu`, async () => {
        if (isClosed) return this.redraw(ctx, chat, this.say(facts, 'closed'), undefined)
        const menu = await this.draw(facts, ctx.me.id, chat)
        await this.redraw(ctx, chat, menu.text, menu.keyboard)
      })
    } catch (error) {
      this.failed(error, 'settings.menu')
    }
  }

  private async apply(
    { actor }: Facts,
    bot: number,
    chat: number,
    choice: Exclude<Choice, { readonly kind: 'close' }>,
  ): Promise<boolean> {
    const by = actor ?? 'code'
    return choice.kind === 'notices'
      ? this.settings.turnNotices(bot, chat, choice.on, by)
      : this.settings.choose(bot, chat, choice.tunable, choice.to, by)
  }

  /** Asks Telegram each time, as taps are rare: a cached answer could let in an administrator who was just demoted. */
  private async isAdministrator(facts: Facts, ctx: Context, chat: number): Promise<boolean> {
    // Only administrators can write as the group itself. Their taps, however, carry their own user id.
    if (facts.actorKind === 'anonymous') return facts.kind === 'message'
    if (facts.actorKind !== 'user' || facts.actorId === undefined) return false
    // getChatMember reliably reports other members only to bots that are administrators.
    const administrators = await this.called(
      (signal) => ctx.api.getChatAdministrators(chat, undefined, signal),
      PATIENCE_TO_ASK,
      'Telegram did not tell the administrators',
    )
    return administrators.some(({ user }) => user.id === facts.actorId)
  }

  private async draw(
    facts: Facts,
    bot: number,
    chat: number,
  ): Promise<{ readonly text: string; readonly keyboard: InlineKeyboardMarkup }> {
    const { limits, notices } = await this.settings.read(bot, chatKey(chat))
    const lines = [this.say(facts, 'title'), '']
    const rows: InlineKeyboardButton[][] = []
    for (const tunable of this.tuning.limits.values()) {
      const chosen = limits.get(tunable.name)
      const usual = formatLimit(this.settings.usual(tunable.name))
      const limit = chosen ?? `${usual} ${this.say(facts, 'usual')}`
      lines.push(this.say(facts, 'limit', { name: this.nameOf(facts, tunable), limit }))
      rows.push(...this.buttonsOf(facts, tunable, chosen))
    }
    if (this.tuning.notices) {
      lines.push(this.say(facts, notices ? 'noticesOn' : 'noticesOff'))
      const text = this.say(facts, notices ? 'turnOff' : 'turnOn')
      rows.push([this.button(text, { kind: 'notices', on: !notices })])
    }
    rows.push([this.button(this.say(facts, 'close'), { kind: 'close' })])
    return { text: lines.join('\n'), keyboard: { inline_keyboard: rows } }
  }

  private buttonsOf(facts: Facts, tunable: Tunable, chosen: string | undefined): InlineKeyboardButton[][] {
    // With several limits, each button names its limit.
    const several = this.tuning.limits.size > 1 ? `${this.nameOf(facts, tunable)}: ` : ''
    const label = (text: string, isNow: boolean): string => `${isNow ? '• ' : ''}${several}${text}`
    const buttons = tunable.choices.map((to: Limit) => {
      const text = formatLimit(to)
      return this.button(label(text, text === chosen), { kind: 'limit', tunable, to })
    })
    const usual = label(this.say(facts, 'useUsual'), chosen === undefined)
    buttons.push(this.button(usual, { kind: 'limit', tunable, to: undefined }))
    const rows: InlineKeyboardButton[][] = []
    for (let from = 0; from < buttons.length; from += A_ROW) rows.push(buttons.slice(from, from + A_ROW))
    return rows
  }

  private button(text: string, choice: Choice): InlineKeyboardButton {
    return { text, callback_data: dataOf(this.tuning.command, choice) }
  }

  private nameOf(facts: Facts, { name }: Tunable): string {
    return NAMED.has(name) ? this.say(facts, name as SettingText) : name
  }

  private async redraw(
    ctx: Context,
    chat: number,
    text: string,
    keyboard: InlineKeyboardMarkup | undefined,
  ): Promise<void> {
    // Callback data may be sent for any message of the bot; a message that is not a menu must not be edited.
    const message = ctx.callbackQuery?.message
    if (message === undefined || !this.isMenu(ctx)) return
    const options = keyboard === undefined ? PLAIN : { ...PLAIN, reply_markup: keyboard }
    const { ephemeral_message_id: ephemeral } = message as Message
    const edit = (signal: Signal): Promise<unknown> =>
      ephemeral === undefined
        ? ctx.api.editMessageText(chat, message.message_id, text, options, signal)
        : ctx.api.editEphemeralMessageText(
            chat,
            ctx.callbackQuery?.from.id as number,
            ephemeral,
            text,
            options,
            signal,
          )
    try {
      // Later taps wait for this, to show their state after it.
      await this.called(edit, PATIENCE, 'the menu was not edited')
    } catch (error) {
      // The message is unchanged, deleted or too old to edit; the choice itself is saved in any case.
      if (refusalCode(error) !== 400) throw error
    }
  }

  /**
   * Calls Telegram, but for `patience` milliseconds at most. The call is aborted then: nobody waits for it, and an edit that came
   * late would show an earlier state again.
   *
   * @throws SentinelError `callback.timeout`, and whatever the call rejects with.
   */
  private called<T>(call: (signal: Signal) => Promise<T>, patience: Ms, late: string): Promise<T> {
    const over = new AbortController()
    return inTime(call(over.signal as unknown as Signal), patience, this.services.timers, () => {
      over.abort()
      return new SentinelError('callback.timeout', `settings.menu: ${late} within ${patience} ms.`)
    })
  }

  private isMenu(ctx: Context): boolean {
    const { command } = this.tuning
    const message = ctx.callbackQuery?.message
    const rows =
      message !== undefined && 'reply_markup' in message ? message.reply_markup?.inline_keyboard : []
    return (
      rows?.flat().some((button) => 'callback_data' in button && isOfMenu(command, button.callback_data)) ===
      true
    )
  }

  private say(facts: Facts, text: SettingText, values?: Readonly<Record<string, string>>): string {
    return this.wording.say(facts.languageCode, text, values)
  }

  private failed(error: unknown, during: string): void {
    this.services.failed(error, during)
  }
}
