import type { ConversationFlavor } from '@grammyjs/conversations'
import { Bot, type Context, type SessionFlavor } from 'grammy'
import { type Sentinel, type SentinelFlavor, type SentinelOptions, sentinel } from '../../src/index.js'
import { createTelegram, type Person, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import { Stage } from '../middleware/rig.js'

/* A bot for tests of the order of plugins, to be used after `useBot()`. */

type Base = Context & SentinelFlavor & SessionFlavor<{ seen: number }>
export type Order = ConversationFlavor<Base>

export let telegram: Telegram
export let account: TelegramBot
export let alice: Person
export let bot: Bot<Order>
export const time = new Stage()
/** Called after the test, the last one first. */
export const ends: (() => Promise<unknown>)[] = []

/** Gives each test a bot of its own. */
export function useBot(): void {
  beforeEach(() => {
    telegram = createTelegram()
    account = telegram.createBot({ username: 'ordered_bot' })
    alice = telegram.createUser({ firstName: 'Alice' })
    bot = new Bot<Order>(account.token, account.config)
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
    await telegram.close()
  })
}

export function guarded(options: SentinelOptions = {}): Sentinel<Order> {
  const guard = sentinel<Order>({ clock: time.clock, timers: time.timers, ...options })
  ends.push(() => guard.close())
  return guard
}

export function polling(): void {
  const done = bot.start()
  ends.push(async () => {
    await bot.stop()
    await done
  })
}

export async function sends(...texts: string[]): Promise<void> {
  for (const text of texts) await alice.to(account).sends(text)
  await telegram.settled()
}
