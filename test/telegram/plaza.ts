import { Api } from 'grammy'
import {
  type NewTelegramBot,
  type Person,
  startTelegram,
  type Telegram,
  type TelegramBot,
  type TelegramGroup,
  type TelegramOptions,
} from '../../src/telegram/index.js'
import { type Caller, caller } from './calling.js'

/* The place of many tests here. A file that calls usePlaza() gets a new one for every test; its imports are always the current values. */

export let telegram: Telegram
/** An administrator of the group. */
export let bot: TelegramBot
/** Calls of the bot, made by grammY. */
export let api: Api
/** Calls of the bot, made without grammY. */
export let call: Caller
/** The owner of the group. */
export let alice: Person
/** A member of the group. */
export let bob: Person
export let group: TelegramGroup

/**
 * Makes the plaza before every test of the file, and closes it afterwards. Its clock is virtual.
 *
 * @param account The bot, or only its username.
 */
export function usePlaza(account: string | NewTelegramBot, options: TelegramOptions = {}): void {
  beforeEach(async () => {
    telegram = await startTelegram({ clock: 'virtual', ...options })
    bot = telegram.createBot(typeof account === 'string' ? { username: account } : account)
    alice = telegram.createUser({ firstName: 'Alice' })
    bob = telegram.createUser({ firstName: 'Bob' })
    group = telegram.createGroup({ title: 'Plaza', owner: alice, members: [bob], admins: [bot] })
    api = new Api(bot.token, { apiRoot: telegram.apiRoot })
    call = caller(telegram.apiRoot, bot)
  })
  afterEach(() => telegram.close())
}
