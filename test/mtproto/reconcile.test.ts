import { Bot } from 'grammy'
import type { MtprotoClient } from '../../src/mtproto/index.js'
import { type Sentinel, sentinel } from '../../src/sentinel.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { Person, TelegramGroup } from '../../src/telegram/index.js'
import { account, alice, client as made, onStage, telegram } from './stage.js'

onStage()

let client: MtprotoClient
let storage: Storage
let bob: Person
let carol: Person
let plaza: TelegramGroup

beforeEach(async () => {
  ;[bob, carol] = ['Bob', 'Carol'].map((firstName) => telegram.createUser({ firstName })) as [Person, Person]
  plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], members: [bob] })
  client = made()
  storage = memory()
})

interface Up {
  readonly guard: Sentinel
  readonly told: unknown[]
  down(): Promise<void>
}

/** Starts a bot that collects membership events: the event, the user, and whether it was reconciled. */
async function up(clock: () => number = Date.now): Promise<Up> {
  const guard = sentinel({ storage, clock, membership: { roster: true } })
  const told: unknown[] = []
  guard.on('membership', ({ event, member, reconciled = false }) => told.push([event, member.id, reconciled]))
  const bot = new Bot(account.token, account.config)
  guard.install(bot)
  await bot.init()
  const running = bot.start()
  // By then, the bot has requested the updates that it needs.
  await alice.in(plaza).sends('hello')
  await telegram.settled()
  return {
    guard,
    told,
    async down() {
      await bot.stop()
      await running
      await guard.close()
    },
  }
}

/** Drops the pending updates of the bot, as Telegram does after a day. */
const aDayLater = (): void => {
  for (const entry of account.account.kind === 'bot' ? account.account.queue.pending() : [])
    if (account.account.kind === 'bot') account.account.queue.remove(entry)
}

test('missed joins, leaves and bans are reported once, and changes seen live are not repeated', async () => {
  const before = await up()
  expect(await before.guard.membership.reconcile(client, plaza.id)).toMatchObject({
    first: true,
    told: 0,
    complete: true,
  })
  const dave = telegram.createUser({ firstName: 'Dave' })
  await dave.in(plaza).joins()
  await telegram.settled()
  await before.down()
  expect(before.told).toEqual([['joined', dave.id, false]])

  await carol.in(plaza).joins()
  await bob.in(plaza).leaves()
  await alice.in(plaza).bans(dave)
  aDayLater()

  const after = await up()
  const erin = telegram.createUser({ firstName: 'Erin' })
  await erin.in(plaza).joins()
  await telegram.settled()
  const found = await after.guard.membership.reconcile(client, plaza.id)
  expect(found).toMatchObject({ first: false, told: 3, complete: true, unlooked: 0, busy: false })
  expect(after.told).toEqual([
    ['joined', erin.id, false],
    ['joined', carol.id, true],
    ['banned', dave.id, true],
    ['left', bob.id, true],
  ])
  expect(await after.guard.membership.reconcile(client, plaza.id)).toMatchObject({ told: 0 })
  await after.down()
})

test('reconciled events have the chat, the user, the time, and a context that can reply', async () => {
  const { guard, down } = await up()
  await guard.membership.reconcile(client, plaza.id)
  await down()
  const answered: unknown[] = []
  const from = Math.floor(Date.now() / 1000) * 1000
  await carol.in(plaza).joins()
  aDayLater()
  const after = await up()
  after.guard.membership.on('joined', async ({ ctx, chat, member, at }) => {
    expect([chat.id, member.first_name, ctx.chatMember?.new_chat_member.status]).toEqual([
      plaza.id,
      'Carol',
      'member',
    ])
    expect(at).toBeGreaterThanOrEqual(from)
    const { chat: there, text } = await ctx.reply(`Welcome, ${member.first_name}!`)
    answered.push([there.id, text])
  })
  await after.guard.membership.reconcile(client, plaza.id)
  expect(answered).toEqual([[plaza.id, 'Welcome, Carol!']])
  await after.down()
})

test('an interrupted reconciliation can be continued', async () => {
  const first = await up()
  await first.guard.membership.reconcile(client, plaza.id)
  await first.down()
  const crowd = Array.from({ length: 250 }, (_, n) => telegram.createUser({ firstName: `User ${n}` }))
  for (const person of crowd) await person.in(plaza).joins()
  aDayLater()
  const { guard, told, down } = await up()
  let page = 0
  const halting = {
    member: client.member.bind(client),
    async *members(...[chat, options]: Parameters<typeof client.members>) {
      for await (const member of client.members(chat, options)) {
        if (page++ === 120) throw new Error('the connection is gone')
        yield member
      }
    },
  }
  await expect(guard.membership.reconcile(halting, plaza.id)).rejects.toThrow('the connection is gone')
  const half = told.length
  expect(half).toBeGreaterThan(50)
  expect(await guard.membership.reconcile(client, plaza.id)).toMatchObject({ told: 250 - half })
  expect(new Set(told.map((each) => (each as [string, number])[1])).size).toBe(250)
  expect(told).toHaveLength(250)
  await down()
})

test('with an incomplete list no user counts as gone, and the result says so', async () => {
  const first = await up()
  await carol.in(plaza).joins()
  await telegram.settled()
  await first.guard.membership.reconcile(client, plaza.id)
  await bob.in(plaza).leaves()
  const short = {
    member: client.member.bind(client),
    async *members(
      chat: number,
      {
        filter,
        onProgress,
      }: { filter?: 'banned'; onProgress?: (told: { seen: number; total: number }) => void } = {},
    ) {
      onProgress?.({ seen: 1, total: 4 })
      if (filter === undefined)
        for await (const member of client.members(chat)) if (member.user.id === alice.id) yield member
    },
  }
  await first.down()
  aDayLater()
  const after = await up()
  expect(await after.guard.membership.reconcile(short, plaza.id, { lookups: 1 })).toMatchObject({
    complete: false,
    unlooked: 1,
  })
  expect(await after.guard.membership.reconcile(short, plaza.id)).toMatchObject({
    complete: false,
    unlooked: 0,
  })
  await after.down()
})

test('a join that was not listed, because somebody who was listed has left, is reported by the next run', async () => {
  const first = await up()
  await first.guard.membership.reconcile(client, plaza.id)
  await first.down()
  const [dave, erin] = ['Dave', 'Erin'].map((firstName) => telegram.createUser({ firstName }))
  for (const each of [carol, dave, erin]) await each?.in(plaza).joins()
  aDayLater()
  // Erin is listed first and leaves, which moves the others forward, so that Dave is in none of the pages.
  const shifting = {
    member: client.member.bind(client),
    async *members(...[chat, options]: Parameters<typeof client.members>) {
      for await (const member of client.members(chat, options)) {
        if (options?.filter === 'banned' || member.user.id !== dave?.id) yield member
        if (member.user.id === erin?.id) {
          await erin?.in(plaza).leaves()
          await telegram.settled()
        }
      }
      if (options?.filter === undefined) options?.onProgress?.({ seen: 5, total: 5 })
    },
  }
  // The run is later than the joins by more than clocks may differ.
  const after = await up(() => Date.now() + 300_000)
  const found = await after.guard.membership.reconcile(shifting, plaza.id)
  expect(found).toMatchObject({ told: 2, listed: 5, complete: false })
  expect(await after.guard.membership.reconcile(client, plaza.id)).toMatchObject({ told: 1, complete: true })
  expect(after.told).toEqual([
    ['joined', erin?.id, true],
    ['left', erin?.id, false],
    ['joined', carol.id, true],
    ['joined', dave?.id, true],
  ])
  await after.down()
})

test('only one worker reconciles a chat at a time', async () => {
  const { guard, told, down } = await up()
  const both = await Promise.all([1, 2].map(() => guard.membership.reconcile(client, plaza.id)))
  expect(both.map(({ busy }) => busy).sort()).toEqual([false, true])
  expect(told).toEqual([])
  await down()
})

test('without a roster, reconcile() rejects with an explanation', async () => {
  const guard = sentinel()
  await expect(guard.membership.reconcile(client, plaza.id)).rejects.toThrow(/roster: true/)
  const unmet = sentinel({ membership: { roster: true } })
  await expect(unmet.membership.reconcile(client, plaza.id)).rejects.toMatchObject({ code: 'bot.unknown' })
})
