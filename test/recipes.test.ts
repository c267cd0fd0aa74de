import { readFileSync } from 'node:fs'
import { transformSync } from '@swc/core'
import * as grammy from 'grammy'
import * as guards from '../src/index.js'
import { createTelegram, type Person, type Telegram, type TelegramBot } from '../src/telegram/index.js'

const { Bot } = grammy
interface Recipe {
  readonly bot: grammy.Bot
  readonly guard: guards.Sentinel
}

let telegram: Telegram
let account: TelegramBot
let owner: Person
let mallory: Person
let recipe: Recipe

beforeEach(() => {
  telegram = createTelegram()
  account = telegram.createBot({ username: 'guarded_bot' })
  owner = telegram.createUser({ firstName: 'Owner' })
  mallory = telegram.createUser({ firstName: 'Mallory' })
})
afterEach(async () => {
  await telegram.close()
  await recipe.guard.close()
})

/** Runs the code under a heading of docs/recipes.md as it is, with a bot of the embedded Telegram. */
async function follow(heading: string, given: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const [, section = ''] = readFileSync('docs/recipes.md', 'utf8').split(`\n## ${heading}\n`)
  const code = section.split('```ts\n')[1]?.split('```')[0] ?? ''
  expect(code).toContain("('123:token')")
  const parser = { syntax: 'typescript' } as const
  const plain = transformSync(code.replace(/^import .*$/gm, ''), { jsc: { parser, target: 'es2022' } }).code
  const names: Readonly<Record<string, unknown>> = {
    ...grammy,
    ...guards,
    Bot: class extends Bot {
      constructor() {
        super(account.token, account.config)
      }
    },
    ...given,
  }
  const used = Object.keys(names).filter((name) => new RegExp(`\\b${name}\\b`).test(plain))
  const body = `return (async () => { let guard\n${plain.replace('const guard =', 'guard =').replaceAll('bot.use(sentinel(', 'bot.use(guard = sentinel(')}\nreturn { bot, guard } })()`
  const run = new Function(...used, body) as (...values: unknown[]) => Promise<Recipe>
  recipe = await run(...used.map((name) => names[name]))
  await telegram.runs(recipe.bot)
}

describe('the captcha', () => {
  test('deletes what people without the role write, also if a limit refuses it', async () => {
    await follow('A captcha for newcomers of a group')
    const club = telegram.createGroup({ title: 'Club', owner, admins: [account] })
    await mallory.in(club).joins()
    for (let i = 0; i < 32; i++) await mallory.to(account).sends(`${i}`)
    await telegram.settled()
    for (const text of ['BUY', 'BUY IT']) await mallory.in(club).sends(text)
    await telegram.settled()
    const left = (): readonly (string | undefined)[] =>
      club.messages
        .filter(({ from, text }) => from?.id === mallory.id && text !== undefined)
        .map((m) => m.text)
    await telegram.called('deleteMessage', { where: () => left().length === 0 })
    // Administrators have the role by their rights.
    for (let i = 0; i < 32; i++) await owner.in(club).sends(`rule ${i}`)
    // Blocked people are refused before any limit.
    await recipe.guard.block(mallory.id)
    await mallory.in(club).sends('BUY NOW')
    await telegram.settled()
    await telegram.called('deleteMessage', { where: () => left().length === 0 })
    expect(left()).toEqual([])
    expect(club.messages.filter(({ text }) => text?.startsWith('rule'))).toHaveLength(32)
  })
})

describe('a paid model', () => {
  test.each(['A quota a day, and more for premium users', 'A cost that is known only afterwards'])(
    'is not asked by posts of channels: %s',
    async (heading) => {
      const asked: string[] = []
      const answerOf = async (prompt: string): Promise<string> => {
        asked.push(prompt)
        return 'answer'
      }
      const ask = async (prompt: string): Promise<object> => ({ text: await answerOf(prompt), tokens: 10 })
      await follow(heading, { answerOf, ask })
      const group = telegram.createGroup({ title: 'Mine', owner: mallory, admins: [account] })
      const channel = telegram.createChannel({ title: 'Mine too', owner: mallory, linkedGroup: group })
      await mallory.in(channel).posts('for nothing')
      await mallory.in(group).sends('in a group')
      await mallory.to(account).sends('paid')
      await mallory.hears('answer')
      expect(asked).toEqual(['paid'])
    },
  )
})
