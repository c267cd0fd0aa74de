import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import type { MtprotoClient } from '../../src/mtproto/index.js'
import { problemOfUpdate } from '../../src/telegram/bot-api/schema/results.js'
import type { Person, TelegramGroup } from '../../src/telegram/index.js'
import { account, alice, kept, client as made, onStage, telegram } from './stage.js'

// One bot on both interfaces of the embedded Telegram: the updates from both must be the same. Call onBothFaces() once per file.

export let bob: Person
export let plaza: TelegramGroup
export let client: MtprotoClient
/** Updates by MTProto. */
export let bridged: Update[]
/** Updates from getUpdates. */
export let polled: Update[]
export let look: () => void
export let poller: Bot

/** Creates a group before each test, and a bot that receives updates both by polling and over a bridge. */
export function onBothFaces(): void {
  onStage({ bot: { inline: true }, alice: { languageCode: 'en' } })
  beforeEach(async () => {
    bob = telegram.createUser({ firstName: 'Bob', lastName: 'Builder', isPremium: true })
    plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], members: [bob] })
    bridged = []
    polled = []
    look = () => undefined
    poller = new Bot(account.token, account.config)
    poller.use(({ update }) => {
      polled.push(update)
      look()
    })
    const kinds = [
      'message',
      'edited_message',
      'callback_query',
      'inline_query',
      'chat_member',
      'my_chat_member',
      'chat_join_request',
      'message_reaction',
      'message_reaction_count',
      'poll',
      'poll_answer',
      'channel_post',
      'edited_channel_post',
    ] as const
    await poller.init()
    const polling = poller.start({ allowed_updates: kinds })
    kept({
      close: async () => {
        await poller.stop()
        await polling
      },
    })
    await bob.in(plaza).sends('are you there?')
    await until(() => polled.length === 1)
    polled.length = 0
    client = made()
    const bot = new Bot(account.token, account.config)
    bot.use(({ update }) => {
      bridged.push(update)
      look()
    })
    bot.catch(() => undefined)
    await client.bridge(bot)
  })
}

export function until(is: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    look = () => {
      if (is()) resolve()
    }
    look()
  })
}

/** Waits for a number of updates on both interfaces, and returns them without their ids. */
export async function both(count: number): Promise<{ wire: unknown[]; api: unknown[] }> {
  await until(() => bridged.length >= count && polled.length >= count)
  const bare = (updates: readonly Update[]) => updates.map(({ update_id: _, ...told }) => told)
  for (const { update_id, ...told } of bridged) {
    expect(Number.isSafeInteger(update_id) && update_id > 2 ** 52).toBe(true)
    for (const [kind, payload] of Object.entries(told))
      expect([kind, problemOfUpdate(kind, payload)]).toEqual([kind, undefined])
  }
  expect(new Set(bridged.map(({ update_id }) => update_id)).size).toBe(bridged.length)
  return { wire: bare(bridged), api: bare(polled) }
}
