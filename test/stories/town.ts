import { Api } from 'grammy'
import type { Message, Update } from 'grammy/types'
import type { Timers } from '../../src/core/clock.js'
import { chatKey, type Key, senderKey, userKey } from '../../src/core/subject.js'
import { type Subject, subject } from '../../src/index.js'
import {
  createTelegram,
  type Person,
  type Telegram,
  type TelegramBot,
  type TelegramChannel,
  type TelegramGroup,
} from '../../src/telegram/index.js'
import { tick } from '../sentinel/desk.js'
import type { Act } from './acts.js'
import type { Where, Who, Whom } from './cast.js'
import { RarePerformer } from './rare-performing.js'

const EVERY_KIND = [
  'message',
  'edited_message',
  'channel_post',
  'edited_channel_post',
  'callback_query',
  'inline_query',
  'chat_member',
  'my_chat_member',
  'message_reaction',
  'poll_answer',
  'poll',
  'message_reaction_count',
  'chosen_inline_result',
  'pre_checkout_query',
] as const
const BUTTONS = { inline_keyboard: [['A', 'B'].map((text) => ({ text, callback_data: text }))] }
/** Time advances in steps of this length, so that what one timer starts is over before the next timer fires. */
const STEP = 100

/**
 * The people and places of every story: an owner, three people, a group, a channel and a bot, on an embedded Telegram whose time
 * moves only when told. Acts of people become updates, which the story delivers to its workers.
 */
export class Town {
  readonly telegram: Telegram = createTelegram({ clock: 'virtual' })
  readonly account: TelegramBot = this.telegram.createBot({ username: 'story_bot', inline: true })
  readonly owner: Person = this.telegram.createUser({ firstName: 'Owner' })
  readonly people: readonly Person[] = ['Alice', 'Bob', 'Carol'].map((firstName) =>
    this.telegram.createUser({ firstName }),
  )
  readonly group: TelegramGroup
  readonly channel: TelegramChannel
  /** Durations of the timers that are set through {@link timers} and have neither fired nor been cancelled. */
  readonly armed = new Set<{ readonly ms: number }>()
  /** Waits for what takes real time, such as the answers of a server. */
  settled: () => Promise<unknown> = tick
  readonly api: Api
  private readonly cards = new Map<Where, readonly Message[]>()
  private rare: RarePerformer | undefined
  private poll: Message | undefined
  private offset = 0

  private constructor() {
    const { telegram, account, owner, people } = this
    this.group = telegram.createGroup({ title: 'Plaza', owner, members: people, admins: [account] })
    this.channel = telegram.createChannel({
      title: 'News',
      owner,
      admins: [account],
      linkedGroup: this.group,
    })
    this.api = new Api(account.token, account.config.client)
  }

  /** Builds a town in which the bot has sent everybody a message with buttons, and a poll to the group. */
  static async built(): Promise<Town> {
    const town = new Town()
    const { people, account, group, api } = town
    for (const each of people) await each.to(account).sends('hello')
    const inPrivate: Message[] = []
    for (const { id } of people) inPrivate.push(await api.sendMessage(id, 'Card', { reply_markup: BUTTONS }))
    const inGroup = await api.sendMessage(group.id, 'Card', { reply_markup: BUTTONS })
    town.cards.set('private', inPrivate).set(
      'group',
      people.map(() => inGroup),
    )
    const choices = [{ text: 'yes' }, { text: 'no' }]
    const poll = await api.sendPoll(group.id, 'Lunch?', choices, { is_anonymous: false })
    town.poll = poll
    const { telegram, owner, channel } = town
    town.rare = new RarePerformer({
      telegram,
      account,
      owner,
      people,
      group,
      channel,
      api,
      card: inGroup,
      poll,
    })
    await town.arrived()
    return town
  }

  /** Returns somebody as the methods of a sentinel take them. */
  subject(whom: Whom): Subject {
    if (typeof whom === 'number') return (this.people[whom] as Person).id
    if (whom === 'channel') return subject.sender(this.channel.id)
    return whom === 'group' ? subject.chat(this.group.id) : subject.sender(this.group.id)
  }

  /** Returns the key of somebody in storages. */
  key(whom: Whom): Key {
    if (typeof whom === 'number') return userKey((this.people[whom] as Person).id)
    if (whom === 'channel') return senderKey(this.channel.id)
    return whom === 'group' ? chatKey(this.group.id) : senderKey(this.group.id)
  }

  /** The key of the bot as an actor. */
  get botKey(): Key {
    return userKey(this.account.id)
  }

  readonly now = (): number => this.telegram.clock.now()

  /** The timers of the sentinels of a story. */
  readonly timers: Timers = {
    after: (ms, run) => {
      const timer = { ms }
      this.armed.add(timer)
      const cancel = this.telegram.clock.timers.after(ms, () => {
        this.armed.delete(timer)
        run()
      })
      return () => {
        this.armed.delete(timer)
        cancel()
      }
    },
  }

  /** Waits in the town's time, as slow handlers do. */
  readonly sleep = (ms: number): Promise<void> =>
    new Promise((done) => this.telegram.clock.timers.after(ms, done))

  /** Lets everything run that does not need time to pass. */
  async quiet(): Promise<void> {
    for (let i = 0; i < 6; i++) await tick()
    await this.settled()
    for (let i = 0; i < 3; i++) await tick()
  }

  async pass(ms: number, step = STEP): Promise<void> {
    for (let left = ms; left > 0; left -= step) {
      this.telegram.clock.advance(Math.min(left, step))
      await this.quiet()
    }
  }

  /** Performs an act, and returns the updates that Telegram has for the bot because of it. */
  async sees(act: Act): Promise<Update[]> {
    // Telegram refuses some acts, such as a second vote. Then there are no updates, or only those of the first half.
    await this.perform(act).catch(() => undefined)
    return this.arrived()
  }

  close(): Promise<void> {
    return this.telegram.close()
  }

  /** Returns what Telegram has for the bot since the last act, such as payments for checkouts that it has answered. */
  async arrived(): Promise<Update[]> {
    const { offset } = this
    const updates = await this.api.getUpdates({ offset, timeout: 0, allowed_updates: EVERY_KIND })
    this.offset = (updates.at(-1)?.update_id ?? offset - 1) + 1
    return updates
  }

  private async perform(act: Act): Promise<void> {
    const { owner, group, channel, account, people } = this
    const person = 'who' in act ? (people[act.who] as Person) : owner
    switch (act.does) {
      case 'says':
        for (let time = 0; time < act.times; time++) await this.at(act.who, act.where).sends(act.text)
        return
      case 'sends an album': {
        const photos = ['a', 'b', 'c'].slice(0, act.photos)
        const caption = act.caption === undefined ? {} : { caption: act.caption }
        await this.at(act.who, act.where).sendsAlbum(photos, caption)
        return
      }
      case 'taps':
        await this.at(act.who, act.where).taps(this.card(act.who, act.where), act.button)
        return
      case 'writes and edits':
        await person.to(account).edits(await person.to(account).sends(act.text), `${act.text}!`)
        return
      case 'reacts':
        await person.in(group).reacts(this.card(act.who, 'group'), act.emoji)
        return
      case 'votes':
        await person.in(group).votes(this.poll as Message, act.option)
        return
      case 'leaves and joins':
        await person.in(group).leaves()
        await person.in(group).joins()
        return
      case 'blocks and unblocks the bot':
        await person.blocks(account)
        await person.unblocks(account)
        return
      case 'asks inline':
        await person.asks(account, act.text)
        return
      case 'posts':
        await owner.in(channel).posts(act.text)
        return
      case 'speaks anonymously':
        await owner.in(group).anonymously().sends(act.text)
        return
      case 'speaks as the channel':
        await owner.in(group).as(channel).sends(act.text)
        return
      default:
        await this.rare?.perform(act)
    }
  }

  private at(who: Who, where: Where) {
    const person = this.people[who] as Person
    return where === 'group' ? person.in(this.group) : person.to(this.account)
  }

  private card(who: Who, where: Where): Message {
    return this.cards.get(where)?.[who] as Message
  }
}
