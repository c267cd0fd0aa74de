import { Bot } from 'grammy'
import { subject, subjectKey } from '../../src/core/subject.js'
import { type MtprotoClient, mtproto, type Purged, type Purger, purgeOnBan } from '../../src/mtproto/index.js'
import { sentinel } from '../../src/sentinel.js'
import { type Person, startTelegram, type Telegram } from '../../src/telegram/index.js'

let telegram: Telegram | undefined
let client: MtprotoClient | undefined
afterEach(async () => {
  await client?.close()
  await telegram?.close()
})

test('messages of a user are deleted when an administrator bans them, or the guard blocks them; others stay', async () => {
  telegram = await startTelegram({ patience: '30s' })
  const face = await telegram.mtproto()
  const account = telegram.createBot({ username: 'watcher_bot' })
  const [alice, bob, mallory, trudy] = ['Alice', 'Bob', 'Mallory', 'Trudy'].map((firstName) =>
    (telegram as Telegram).createUser({ firstName }),
  ) as [Person, Person, Person, Person]
  const plaza = telegram.createGroup({
    title: 'Plaza',
    owner: alice,
    admins: [account],
    members: [bob, mallory, trudy],
  })
  client = mtproto({ apiId: 1, apiHash: 'any', botToken: account.token, server: face.address })
  const purged: unknown[] = []
  const guard = sentinel({
    hooks: {
      ...purgeOnBan(client, {
        chats: [plaza.id],
        onPurged: ({ user, deleted }) => purged.push([user, deleted]),
      }),
    },
  })
  const failures: unknown[] = []
  guard.on('error', (failure) => failures.push(failure))
  const bot = new Bot(account.token, account.config)
  guard.install(bot)
  const running = bot.start()
  for (const text of ['one', 'two', 'three']) {
    await mallory.in(plaza).sends(text)
    await trudy.in(plaza).sends(text)
    await bob.in(plaza).sends(text)
  }
  // By now, the bot has requested the updates that it needs.
  await telegram.settled()
  await alice.in(plaza).bans(mallory)
  await telegram.settled()
  await guard.block(trudy.id, { reason: 'spam' })
  await bot.stop()
  await running
  // close() waits for running purges.
  await guard.close()
  expect(failures).toEqual([])
  expect(purged).toEqual(
    expect.arrayContaining([
      [mallory.id, 3],
      [trudy.id, 3],
    ]),
  )
  expect(purged).toHaveLength(2)
  const left: (number | undefined)[] = []
  for await (const { senderId, isService } of client.history(plaza.id)) if (!isService) left.push(senderId)
  expect(left).toEqual([bob.id, bob.id, bob.id])
})

test('two purges run at a time, the same one only once, and too many waiting purges are refused', async () => {
  const asked: string[] = []
  const go: ((purged: Purged) => void)[] = []
  const purger: Purger = {
    purge: (chat, user) => {
      asked.push(`${chat} ${user}`)
      return new Promise((resolve) => go.push(resolve))
    },
  }
  const { 'membership.banned': banned } = purgeOnBan(purger)
  const { signal } = new AbortController()
  const ban = (user: number, type = 'supergroup') =>
    banned.run({ chat: { id: -1, type }, member: { id: user } }, { signal })
  const all = [1, 2, 2, 3].map((user) => ban(user))
  await ban(4, 'group')
  expect(asked).toEqual(['-1 1', '-1 2'])
  go[0]?.({ deleted: 0, way: 'by id' })
  await all[0]
  await new Promise((done) => setImmediate(done))
  expect(asked).toEqual(['-1 1', '-1 2', '-1 3'])
  const waiting = Array.from({ length: 100 }, (_, n) => ban(10 + n))
  await expect(ban(500)).rejects.toThrow(/100 purges wait already/)
  for (let n = 1; n < 103; n++) {
    go[n]?.({ deleted: 0, way: 'by id' })
    await new Promise((done) => setImmediate(done))
  }
  await Promise.all([...all, ...waiting])
  expect(asked).toHaveLength(103)
})

test('the time-out of a purge begins with its turn; hanging purges make room, and aborted ones are skipped', async () => {
  const asked: number[] = []
  const purger: Purger = {
    purge: (_, user, { signal } = {}) => {
      asked.push(user)
      signal?.throwIfAborted()
      // The first two hang and ignore their signals.
      return user < 3 ? new Promise(() => undefined) : Promise.resolve({ deleted: 1, way: 'by id' })
    },
  }
  const { 'membership.banned': banned } = purgeOnBan(purger, { timeout: '30ms' })
  const ban = (user: number, { signal } = new AbortController()) =>
    banned.run({ chat: { id: -1, type: 'supergroup' }, member: { id: user } }, { signal })
  const leaving = new AbortController()
  const all = [ban(1), ban(2), ban(3), ban(4, leaving), ban(5)]
  leaving.abort(new Error('the hook was called off'))
  const ends = await Promise.allSettled(all)
  expect(ends.map(({ status }) => status)).toEqual([
    'rejected',
    'rejected',
    'fulfilled',
    'rejected',
    'fulfilled',
  ])
  expect(ends[0]).toMatchObject({ reason: { code: 'hook.timeout' } })
  expect(ends[3]).toMatchObject({ reason: { message: 'the hook was called off' } })
  expect(asked).toEqual([1, 2, 3, 5])
})

test('the time-outs of the hooks suffice for a full queue, in each chat', () => {
  const purger: Purger = { purge: () => Promise.reject(new Error('never')) }
  const { 'membership.banned': banned, blocked } = purgeOnBan(purger, { timeout: '10m', chats: [-1, -2] })
  expect(banned.timeout).toBe(51 * 600_000)
  expect(blocked.timeout).toBe(2 * 51 * 600_000)
})

test.each([
  ['an invalid depth', { depth: 0 }, /purgeOnBan\.depth/],
  ['a user in place of a chat', { chats: [7] }, /purgeOnBan\.chats/],
  ['an invalid duration', { timeout: 'soon' as never }, /purgeOnBan\.timeout/],
])('options with %s are refused', (_, options, complaint) => {
  expect(() => purgeOnBan({ purge: () => Promise.reject(new Error('never')) }, options)).toThrow(complaint)
})

test('messages of a blocked channel are purged like those of a user, but a blocked chat is not purged', async () => {
  const asked: (readonly [number, number])[] = []
  const purger: Purger = {
    purge: async (chat, user) => {
      asked.push([chat, user])
      return { deleted: 0, way: 'by id' }
    },
  }
  const { blocked } = purgeOnBan(purger, { chats: [-1] })
  const { signal } = new AbortController()
  for (const who of [subject.user(7), subject.sender(-1001000000002), subject.chat(-1001000000003)])
    await blocked.run({ key: subjectKey(who) }, { signal })
  expect(asked).toEqual([
    [-1, 7],
    [-1, -1001000000002],
  ])
})
