import {
  type Conversation,
  type ConversationFlavor,
  type ConversationOptions,
  conversations,
  createConversation,
} from '@grammyjs/conversations'
import { Bot, type Context } from 'grammy'
import { outgoing } from '../../src/outgoing/outgoing.js'
import { says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { type Office, office } from './rig.js'

/*
 * Tests what the page says about conversations, whose contexts have an api of their own. They come from another package: if it changes,
 * the page must be changed, too.
 */

let on: Office
afterEach(() => on.stop())

type Outside = ConversationFlavor<Context>

/** A bot in a conversation that says hello, which is limited at first, and then waits for one message. */
async function conversing(
  hello: (conversation: Conversation<Outside, Context>, ctx: Context) => Promise<unknown>,
  options: (calls: ReturnType<typeof outgoing>) => ConversationOptions<Outside, Context> = () => ({}),
) {
  on = await office()
  const [alice] = on.people
  const bot = new Bot<Outside>(on.account.token, {
    client: { apiRoot: on.telegram.apiRoot },
    botInfo: await on.api.getMe(),
  })
  const calls = outgoing({}, { clock: on.time.clock, timers: on.time.timers, random: () => 0 })
  bot.api.config.use(calls)
  bot.use(conversations<Outside, Context>(options(calls)))
  const heard: (string | undefined)[] = []
  bot.use(
    createConversation<Outside, Context>(async (conversation, ctx) => {
      await hello(conversation, ctx)
      heard.push((await conversation.wait()).msg?.text)
    }, 'greet'),
  )
  bot.command('greet', (ctx) => ctx.conversation.enter('greet'))
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 7 })
  return {
    calls,
    heard,
    greet: () => bot.handleUpdate(says(alice!.id, '/greet')),
    more: () => bot.handleUpdate(says(alice!.id, 'more')),
    answers: () => on.heard(alice!),
  }
}

test('calls of a conversation on its own context are not repeated', async () => {
  const at = await conversing((_, ctx) => ctx.reply('hello'))
  await expect(at.greet()).rejects.toThrow('429')
  expect(at.calls.health().calls).toBe(0)
})

test('installed in the plugins of a conversation, it waits again at every replay', async () => {
  const at = await conversing(
    (_, ctx) => ctx.reply('hello'),
    (calls) => ({
      plugins: [
        (ctx, next) => {
          ctx.api.config.use(calls)
          return next()
        },
      ],
    }),
  )
  const greeted = at.greet()
  await until('it waits', () => at.calls.health().waiting === 1)
  await on.pass(7000)
  await greeted
  const replayed = at.more()
  await until('it waits again', () => at.calls.health().waiting === 1)
  expect(at.heard).toEqual([])
  await on.pass(7000)
  await replayed
  expect(at.heard).toEqual(['more'])
})

test('called by external(), it waits once', async () => {
  const at = await conversing((conversation) => conversation.external((ctx) => ctx.reply('hello')))
  const greeted = at.greet()
  await until('it waits', () => at.calls.health().waiting === 1)
  await on.pass(7000)
  await greeted
  await at.more()
  expect(at.heard).toEqual(['more'])
  expect(at.answers()).toEqual(['hello'])
  expect(at.calls.health()).toMatchObject({ calls: 1, limited: 1, waitedMs: 7000 })
})
