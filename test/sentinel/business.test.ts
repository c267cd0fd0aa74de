import type { Update } from 'grammy/types'
import { requireRole, type SentinelOptions, type Subject, subject } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { type Desk, desk, says, tick, user } from './desk.js'

/** Has the bot connected to her account, or calls it as a guest. */
const MALLORY = 666
const VICTIM = 777
const CONNECTION = 'connection-of_Mallory'

/** A message in a chat that has the id of the victim's private chat, but is not that chat. */
function elsewhere(
  kind: 'business_message' | 'guest_message',
  from = MALLORY,
  connection = CONNECTION,
): Update {
  const { update_id, message } = says(VICTIM, kind)
  const extra =
    kind === 'guest_message' ? { guest_query_id: `q${update_id}` } : { business_connection_id: connection }
  return { update_id, [kind]: { ...message, from: user(from), ...extra } }
}

/** Returns what was refused: the guard, the limit and the kind of update. */
function refusalsOf({ guard }: Desk): string[] {
  const refused: string[] = []
  guard.on('denied', ({ facts, verdict }) => refused.push(`${verdict.guard}.${verdict.limit} ${facts.kind}`))
  return refused
}

const strict: SentinelOptions = { throttle: { scope: 'chat', limit: '2/1m' } }

describe.each(['business_message', 'guest_message'] as const)('a %s', (kind) => {
  test('is counted by chat apart from the private chat with the same id', async () => {
    const at = desk(strict)
    const refused = refusalsOf(at)
    for (let i = 0; i < 3; i++) await at.handle(elsewhere(kind))
    expect(refused).toEqual([`throttle.chat ${kind}`])
    await at.says(VICTIM, 'a', 'b')
    expect(at.reached.slice(-2)).toEqual(['a', 'b'])
  })

  test('causes no penalty for the private chat with the same id', async () => {
    const at = desk({
      throttle: { ...(strict.throttle as object), penalty: { after: 1, within: '1m', bans: ['1h'] } },
    })
    const refused = refusalsOf(at)
    for (let i = 0; i < 4; i++) await at.handle(elsewhere(kind))
    at.time.advance(120_000)
    await at.handle(elsewhere(kind))
    expect(refused).toHaveLength(3)
    await at.says(VICTIM, 'hello')
    expect(at.reached.at(-1)).toBe('hello')
  })

  test('takes no place of the private chat with the same id', async () => {
    let done = (): void => undefined
    const at = desk({ throttle: false, concurrency: { scope: 'chat', most: 1, queue: 0 } }, (bot) => {
      bot.on(kind, () => new Promise<void>((end) => (done = end)))
    })
    const refused = refusalsOf(at)
    const held = at.handle(elsewhere(kind))
    await tick()
    await at.handle(elsewhere(kind))
    expect(refused).toEqual([`concurrency.chat ${kind}`])
    await at.says(VICTIM, 'hello')
    expect(at.reached.at(-1)).toBe('hello')
    done()
    await held
  })

  test('is counted by member apart from what its author writes to the bot', async () => {
    const at = desk({ throttle: { scope: 'member', limit: '1/1m' } })
    const refused = refusalsOf(at)
    for (let i = 0; i < 2; i++) await at.handle(elsewhere(kind, VICTIM))
    expect(refused).toEqual([`throttle.member ${kind}`])
    await at.says(VICTIM, 'hello')
    expect(at.reached.at(-1)).toBe('hello')
  })

  test('is stopped if the chat id is blocked, and if the chat is on the allow list its author may be blocked', async () => {
    const at = desk({ block: { allow: [subject.chat(VICTIM)] } })
    const refused = refusalsOf(at)
    await at.guard.block(MALLORY)
    await at.handle(elsewhere(kind))
    expect(refused).toEqual([`block.actor ${kind}`])

    const strictly = desk()
    const stopped = refusalsOf(strictly)
    await strictly.guard.block(subject.chat(VICTIM))
    await strictly.handle(elsewhere(kind))
    expect(stopped).toEqual([`block.chat ${kind}`])
  })
})

test('two connections, and two callers of a guest, are counted by chat apart', async () => {
  const at = desk(strict)
  const refused = refusalsOf(at)
  for (let i = 0; i < 3; i++) {
    await at.handle(elsewhere('business_message'))
    await at.handle(elsewhere('guest_message'))
  }
  expect(refused).toHaveLength(2)
  await at.handle(elsewhere('business_message', 5, 'connection-of-a-shop'))
  await at.handle(elsewhere('guest_message', 5))
  expect(refused).toHaveLength(2)
})

test('everybody in one chat of a business account is counted together, with taps and edits', async () => {
  const at = desk({ throttle: { scope: 'chat', limit: '2/1m', on: ['message', 'tap'] } })
  const refused = refusalsOf(at)
  await at.handle(elsewhere('business_message', MALLORY))
  await at.handle(elsewhere('business_message', VICTIM))
  const { update_id, business_message } = elsewhere('business_message')
  await at.handle({
    update_id,
    callback_query: {
      id: 'q',
      from: user(VICTIM),
      chat_instance: 'c',
      data: 'tap',
      message: business_message,
    },
  } as unknown as Update)
  expect(refused).toEqual(['throttle.chat callback_query'])
})

test('a guest in a group is counted with the group, whose id is the same for everybody', async () => {
  const at = desk(strict)
  const refused = refusalsOf(at)
  for (const from of [MALLORY, VICTIM, 5]) {
    const { update_id, message } = says(from, 'hello', { group: true })
    await at.handle({ update_id, guest_message: { ...message, guest_query_id: 'q' } } as Update)
  }
  expect(refused).toEqual(['throttle.chat guest_message'])
})

test('peek, reset and simulate name a chat of a business account by its id and connection', async () => {
  const at = desk(strict)
  const left = async (whom: Subject) => (await at.guard.peek(whom, 'chat')).map(({ remaining }) => remaining)
  const chat = subject.chat(VICTIM, CONNECTION)
  let connection: string | undefined
  at.guard.on('allowed', ({ facts }) => (connection = facts.connection))
  await at.handle(elsewhere('business_message'))
  expect(subject.chat(VICTIM, connection)).toEqual(chat)
  expect(await left(chat)).toEqual([1])
  expect(await left(subject.chat(VICTIM))).toEqual([2])
  await at.handle(elsewhere('business_message'))
  expect((await at.guard.simulate(elsewhere('business_message'))).verdict.allowed).toBe(false)
  await at.guard.reset(subject.chat(VICTIM))
  expect(await left(chat)).toEqual([0])
  await at.guard.reset(chat)
  expect((await at.guard.simulate(elsewhere('business_message'))).verdict.allowed).toBe(true)
})

test('peek and reset name a member of such a chat in the same way', async () => {
  const at = desk({ throttle: { scope: 'member', limit: '1/1m' } })
  const member = subject.member(MALLORY, VICTIM, CONNECTION)
  await at.handle(elsewhere('business_message'))
  expect(await at.guard.peek(member, 'member')).toMatchObject([{ remaining: 0 }])
  expect(await at.guard.peek(subject.member(MALLORY, VICTIM), 'member')).toMatchObject([{ remaining: 1 }])
  await at.guard.reset(member)
  expect(await at.guard.peek(member, 'member')).toMatchObject([{ remaining: 1 }])
})

test('a limit that is set for a chat id at run time applies to every chat with this id', async () => {
  const at = desk({ ...strict, limits: true, storage: memory() })
  await at.says(1, 'the bot is met')
  await at.guard.limits.set(subject.chat(VICTIM), 'chat', '1/1m')
  const refused = refusalsOf(at)
  for (let i = 0; i < 2; i++) await at.handle(elsewhere('business_message'))
  expect(refused).toEqual(['throttle.chat business_message'])
  await at.says(VICTIM, 'hello')
  expect(at.reached.at(-1)).toBe('hello')
  const [peeked] = await at.guard.peek(subject.chat(VICTIM, CONNECTION))
  expect(peeked).toMatchObject({ limit: expect.stringMatching(/^1\/1m/), remaining: 0 })
})

test('blocks and limits are set by the chat id alone: a connection is refused', async () => {
  const at = desk({ ...strict, limits: true })
  const chat = subject.chat(VICTIM, CONNECTION)
  const refusal = { code: 'subject.invalid', message: expect.stringContaining('"chat" with a connection') }
  await expect(at.guard.block(chat)).rejects.toMatchObject(refusal)
  await expect(at.guard.limits.set(chat, 'chat', '1/1m')).rejects.toMatchObject({
    code: 'subject.invalid',
    message: expect.stringMatching(
      /^limits: .* changed for chats, roles; this is a chat with a connection[.]/,
    ),
  })
})

test.each([
  ['before the bot is met', false],
  ['afterwards', true],
])(
  'a chat of a business account is reported as blocked if its id is, and unblocked by it: %s',
  async (_, isMet) => {
    const at = desk()
    if (isMet) await at.says(1, 'the bot is met')
    const chat = subject.chat(VICTIM, CONNECTION)
    await at.guard.block(subject.chat(VICTIM))
    expect(await at.guard.isBlocked(chat)).toBe(true)
    expect(await at.guard.unblock(chat)).toBe(1)
    expect(await at.guard.isBlocked(subject.chat(VICTIM))).toBe(false)
    expect(await at.guard.isBlocked(chat)).toBe(false)
  },
)

test('a role that is granted to a member of a chat of a business account applies in every chat with this id', async () => {
  const at = desk({ roles: { vip: {} } }, (bot) => {
    bot.on(['message', 'business_message'], requireRole('vip'))
  })
  const refused = refusalsOf(at)
  await at.handle(elsewhere('business_message'))
  expect(refused).toEqual(['auth.vip business_message'])
  const member = subject.member(MALLORY, VICTIM, CONNECTION)
  await at.guard.grant(member, 'vip')
  expect(await at.guard.hasRole(member, 'vip')).toBe(true)
  expect(await at.guard.rolesOf(MALLORY, { chat: VICTIM })).toEqual(['vip'])
  await at.handle(elsewhere('business_message'))
  await at.handle(elsewhere('business_message', MALLORY, 'connection-of-a-shop'))
  expect(refused).toHaveLength(1)
  expect(await at.guard.revoke(member, 'vip')).toBe(1)
  expect(await at.guard.hasRole(member, 'vip')).toBe(false)
})

test('a malformed connection neither fails nor leaves the chat uncounted', async () => {
  for (const connection of ['', 7, '@', 'a:b@c\0🔑', 'x'.repeat(5000), '\ud800']) {
    const at = desk(strict)
    const refused = refusalsOf(at)
    for (let i = 0; i < 3; i++) await at.handle(elsewhere('business_message', MALLORY, connection as string))
    expect(refused).toEqual(['throttle.chat business_message'])
  }
})
