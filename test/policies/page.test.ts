import { readFileSync } from 'node:fs'
import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import { sentinel, subject } from '../../src/index.js'
import { createTelegram } from '../../src/telegram/index.js'

/** The example of a page about a user's limits, and its printed output. */
function exampleOf(page: string): { readonly code: string; readonly printed: string } {
  const blocks = [...page.matchAll(/```ts\n((?:(?!```)[\s\S])*)```\n\n```text\n((?:(?!```)[\s\S])*)```/g)]
  const found = blocks.find(([, code]) => code?.includes('guard.explain('))
  return { code: found?.[1] ?? '', printed: found?.[2] ?? '' }
}

/** A message of the user and in the group that the page mentions. */
function asks(text: string): Update {
  return {
    update_id: 1,
    message: {
      message_id: 1,
      date: 0,
      text,
      entities: [{ type: 'bot_command', offset: 0, length: text.length }],
      chat: { id: -1001234567890, type: 'supergroup', title: 'Shop' },
      from: { id: 1234567, is_bot: false, first_name: 'Alice' },
    },
  }
}

test('the output in docs/policies.md is that of its example', async () => {
  const { code, printed } = exampleOf(readFileSync('docs/policies.md', 'utf8'))
  const telegram = createTelegram()
  const account = telegram.createBot({ username: 'shop_bot' })
  const lines: string[] = []
  const told = { log: (...given: readonly unknown[]) => lines.push(given.map(String).join(' ')) }
  const bots: Bot[] = []
  class OwnBot extends Bot {
    constructor() {
      super(account.token, account.config)
      bots.push(this)
    }
  }
  const AsyncFunction = (async () => undefined).constructor as new (
    ...parts: readonly string[]
  ) => (...given: readonly unknown[]) => Promise<unknown>
  const run = new AsyncFunction('Bot', 'sentinel', 'subject', 'console', code.replace(/^import .*$/gm, ''))
  await run(OwnBot, sentinel, subject, told)
  const [bot] = bots as [Bot]
  await bot.init()
  await bot.handleUpdate(asks('/limits'))
  await telegram.close()

  const [first, ...text] = lines.join('\n').split('\n')
  expect(first).toBe('10/1m user')
  expect(`${text.join('\n')}\n`).toBe(printed)
})
