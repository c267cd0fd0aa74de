import { readFileSync } from 'node:fs'
import { jest } from '@jest/globals'
import * as grammy from 'grammy'
import * as grammySentinel from '../src/index.js'
import { redis } from '../src/storage/redis/index.js'
import { createTelegram, type Person, type Telegram, type TelegramBot } from '../src/telegram/index.js'
import { snippetsOfPage } from './house/docstrings.js'
import { runPageCode } from './house/page-code.js'

/* Bots of the pages that act in a group run here against the embedded Telegram, exactly as the pages print them. */

const OWNER = '1234567' // in the pages

let telegram: Telegram
let account: TelegramBot
let owner: Person
let alice: Person
let mallory: Person
let plaza: ReturnType<Telegram['createGroup']>
let failures: unknown[]
let close: () => Promise<void>

beforeEach(() => {
  telegram = createTelegram()
  account = telegram.createBot({ username: 'plaza_bot' })
  const [first, second, third] = ['Olga', 'Alice', 'Mallory'].map((firstName) =>
    telegram.createUser({ firstName }),
  ) as [Person, Person, Person]
  owner = first
  alice = second
  mallory = third
  plaza = telegram.createGroup({ title: 'Plaza', owner, members: [alice, mallory], admins: [account] })
  failures = []
  // Where the pages report the errors of handlers.
  jest.spyOn(console, 'error').mockImplementation((error) => {
    failures.push(error)
  })
})
afterEach(async () => {
  await telegram.close()
  await close()
  jest.restoreAllMocks()
})

/** Runs the bot of the first block of a page that contains a text. */
async function runs(
  page: string,
  text: string,
  options: grammySentinel.SentinelOptions = {},
): Promise<{ readonly bot: grammy.Bot; readonly guard: grammySentinel.Sentinel }> {
  const snippets = snippetsOfPage({ path: page, text: readFileSync(page, 'utf8') })
  const { code } = snippets.find((snippet) => snippet.code.includes(text)) as { readonly code: string }
  const bots: grammy.Bot[] = []
  const guards: grammySentinel.Sentinel[] = []
  class Bot extends grammy.Bot {
    constructor() {
      super(account.token, account.config)
      bots.push(this)
    }
  }
  const sentinel = (given: grammySentinel.SentinelOptions): grammySentinel.Sentinel => {
    const guard = grammySentinel.sentinel({ ...given, ...options })
    guards.push(guard)
    return guard
  }
  const modules = new Map<string, object>([
    ['grammy', { ...grammy, Bot }],
    ['grammy-sentinel', { ...grammySentinel, sentinel }],
  ])
  await runPageCode(code.replaceAll(OWNER, String(owner.id)), modules)
  const [bot] = bots as [grammy.Bot]
  const [guard] = guards as [grammySentinel.Sentinel]
  guard.on('storage.down', () => undefined)
  guard.on('error', ({ during, error }) => {
    if (during !== 'close') failures.push(error)
  })
  close = async () => {
    await guard.close()
    await guard.storage.close()
  }
  await telegram.runs(bot)
  return { bot, guard }
}

describe('the recipe against those who flood a group', () => {
  const PAGE = ['docs/recipes.md', "name: 'flood'"] as const
  const left = (): string[] => plaza.messages.map(({ text = '' }) => text).filter((text) => /^\d/.test(text))

  test('mutes a member at the limit, and deletes what comes after it', async () => {
    await runs(...PAGE)
    for (let nth = 1; nth <= 11; nth++) await mallory.in(plaza).sends(`${nth}`)
    await telegram.called('deleteMessage')
    await telegram.settled()
    expect(plaza.member(mallory)).toMatchObject({ status: 'restricted', can_send_messages: false })
    expect(left()).toHaveLength(10)
    await expect(mallory.in(plaza).sends('12')).rejects.toThrow()
    await alice.in(plaza).sends('1')
    await telegram.settled()
    expect([plaza.member(alice).status, left().length, failures]).toEqual(['member', 11, []])
  })

  test('bans a channel from the group', async () => {
    await runs(...PAGE)
    const news = telegram.createChannel({ title: 'News', owner: mallory })
    for (let nth = 1; nth <= 11; nth++) await mallory.in(plaza).as(news).sends(`${nth}`)
    await telegram.called('deleteMessage')
    await telegram.settled()
    expect([left().length, failures]).toEqual([10, []])
    await expect(mallory.in(plaza).as(news).sends('12')).rejects.toThrow()
  })

  test('leaves administrators alone, and what people write to the bot in private', async () => {
    await runs(...PAGE)
    for (let nth = 1; nth <= 15; nth++) {
      await owner.in(plaza).sends(`${nth}`)
      await alice.to(account).sends(`${nth}`)
    }
    await telegram.settled()
    expect(left()).toHaveLength(15)
    expect([telegram.calls('restrictChatMember'), telegram.calls('deleteMessage'), failures]).toEqual([
      [],
      [],
      [],
    ])
  })
})

test('the recipe against a raid closes the group, limits the bot, and opens both again', async () => {
  const { guard } = await runs('docs/recipes.md', "command('raid'")
  const limit = async (): Promise<string | undefined> => (await guard.peek(alice.id))[0]?.limit
  await owner.in(plaza).sends('/raid')
  await telegram.called('setChatPermissions')
  await telegram.settled()
  await expect(alice.in(plaza).sends('hello')).rejects.toThrow()
  expect(await limit()).toBe('5/1m')
  await owner.in(plaza).sends('/over')
  await telegram.called('setChatPermissions')
  await telegram.settled()
  await alice.in(plaza).sends('hello')
  expect([await limit(), failures]).toEqual(['60/1m (burst 30)', []])
})

test.each([
  ['README.md', "command('ignore'"],
  ['docs/getting-started.md', "command('ignore'"],
])('the bot of %s goes on when a block cannot be stored, and the block holds', async (page, text) => {
  const { bot, guard } = await runs(page, text, { storage: redis('redis://127.0.0.1:1') })
  await owner.in(plaza).replies(await mallory.in(plaza).sends('buy this'), '/ignore')
  await telegram.settled()
  expect(failures).toEqual([expect.objectContaining({ code: 'storage.unavailable' })])
  expect([bot.isRunning(), await guard.isBlocked(mallory.id)]).toEqual([true, true])
})

describe('the captcha', () => {
  test('deletes what people without the role write, also if a limit or a block refuses it', async () => {
    const { guard } = await runs('docs/recipes.md', 'I am human')
    const left = (who: Person): number =>
      plaza.messages.filter(({ from, text }) => from?.id === who.id && text !== undefined).length
    for (let nth = 1; nth <= 32; nth++) await mallory.to(account).sends(`${nth}`)
    await telegram.settled()
    for (const text of ['BUY', 'BUY IT']) await mallory.in(plaza).sends(text)
    await telegram.called('deleteMessage', { where: () => left(mallory) === 0 })
    // Administrators have the role by their rights.
    for (let nth = 1; nth <= 32; nth++) await owner.in(plaza).sends(`rule ${nth}`)
    await guard.block(mallory.id)
    await mallory.in(plaza).sends('BUY NOW')
    await telegram.called('deleteMessage', { where: () => left(mallory) === 0 })
    await telegram.settled()
    expect([left(owner), failures]).toEqual([32, []])
  })
})

test.each(["name: 'quota'", "name: 'tokens'"])(
  'the recipe for a paid model with %s does not ask it for posts of channels, nor in groups',
  async (text) => {
    const asked: string[] = []
    const answerOf = async (prompt: string): Promise<string> => {
      asked.push(prompt)
      return 'answer'
    }
    const ask = async (prompt: string) => ({ text: await answerOf(prompt), tokens: 10 })
    Object.assign(globalThis, { answerOf, ask })
    await runs('docs/recipes.md', text)
    const group = telegram.createGroup({ title: 'Mine', owner: mallory, admins: [account] })
    const news = telegram.createChannel({ title: 'News', owner: mallory, linkedGroup: group })
    await mallory.in(news).posts('for nothing')
    await mallory.in(group).sends('in a group')
    await mallory.to(account).sends('paid')
    await mallory.hears('answer')
    expect([asked, failures]).toEqual([['paid'], []])
  },
)
