import { Readable } from 'node:stream'
import { InputFile } from 'grammy'
import type { ChatMigratedEvent, FailureEvent, OutgoingLimitedEvent } from '../../src/middleware/events.js'
import { isSafe } from '../../src/outgoing/calls.js'
import { outgoing } from '../../src/outgoing/outgoing.js'
import { fate, type Office, office } from './rig.js'

let on: Office
// Some tests need no office.
afterEach(() => on?.stop())

const SECOND = 1000
const both = ['flood', 'server', 'network'] as const

describe('a call with a 5xx, or without an answer', () => {
  test('fails at once by default', async () => {
    on = await office()
    on.telegram.faults.next('getMe', { code: 502 })
    expect(await fate(on.api.getMe())).toBe(502)
    on.telegram.faults.next('getMe', { drop: true })
    expect(await fate(on.api.getMe())).toBe('HttpError')
    expect(on.calls.health().retried).toBe(0)
  })

  test('is repeated, later each time, if the call may be made twice', async () => {
    on = await office({ retry: both })
    on.telegram.faults.next('getMe', { code: 502 })
    on.telegram.faults.next('getMe', { drop: true })
    const call = fate(on.api.getMe())
    await on.waiting(1)
    await on.pass(499)
    expect(on.calls.health().waiting).toBe(1)
    await on.pass(1)
    await on.waiting(0)
    await on.waiting(1)
    await on.pass(999)
    expect(on.calls.health().waiting).toBe(1)
    await on.pass(1)
    expect(await call).toBe('sent')
    expect(on.calls.health()).toMatchObject({ calls: 1, retried: 2 })
  })

  test('is not repeated for a message, which may have been sent, unless the option says so', async () => {
    on = await office({ retry: both })
    const [alice] = on.people
    for (const fault of [{ code: 500 }, { drop: 'after' }] as const) {
      on.telegram.faults.next('sendMessage', fault)
      expect(await fate(on.api.sendMessage(alice!.id, 'x'))).not.toBe('sent')
    }
    expect(on.calls.health().retried).toBe(0)
    const { api } = on.worker({ retry: both, repeat: 'all' })
    on.telegram.faults.next('sendMessage', { drop: true })
    const call = fate(api.sendMessage(alice!.id, 'again'))
    await on.waiting(1)
    await on.pass(500)
    expect(await call).toBe('sent')
  })

  test('fails after the allowed number of attempts', async () => {
    on = await office({ retry: both, attempts: 2 })
    on.telegram.faults.next('getMe', { code: 503, times: 5 })
    const call = fate(on.api.getMe())
    await on.waiting(1)
    await on.pass(SECOND)
    expect(await call).toBe(503)
  })

  test('may be aborted between attempts', async () => {
    on = await office({ retry: both })
    on.telegram.faults.next('getMe', { code: 503 })
    const away = new AbortController()
    const call = fate(on.api.getMe(away.signal as never))
    await on.waiting(1)
    away.abort()
    expect(await call).toBe('HttpError')
    expect(on.calls.health().waiting).toBe(0)
  })

  test('keeps its place in the order of its chat', async () => {
    on = await office({ retry: both, repeat: 'all', order: 'chat' })
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 500 })
    const sent = ['1', '2'].map((text) => fate(on.api.sendMessage(alice!.id, text)))
    await on.waiting(2)
    await on.pass(500)
    expect(await Promise.all(sent)).toEqual(['sent', 'sent'])
    expect(on.heard(alice!)).toEqual(['1', '2'])
  })

  test.each([
    ['sendMessage', false],
    ['sendPhoto', false],
    ['forwardMessages', false],
    ['copyMessage', false],
    ['sendInvoice', false],
    ['sendGift', false],
    ['createChatInviteLink', false],
    ['transferGift', false],
    ['postStory', false],
    ['refundStarPayment', false],
    ['removeBusinessAccountProfilePhoto', false],
    ['removeMyProfilePhoto', false],
    ['close', false],
    ['logOut', false],
    ['sendChatAction', true],
    ['getChat', true],
    ['editMessageText', true],
    ['deleteMessage', true],
    ['answerCallbackQuery', true],
    ['banChatMember', true],
    ['setMyCommands', true],
    ['closeForumTopic', true],
    ['removeChatVerification', true],
    ['unpinAllChatMessages', true],
    ['setMyProfilePhoto', false],
    ['setBusinessAccountProfilePhoto', false],
    ['setChatPhoto', true],
  ])('%s may be done twice: %s', (method, safe) => {
    expect(isSafe(method)).toBe(safe)
  })

  test('unpinning may be repeated with an id: without one, the second call would remove the next pin', async () => {
    on = await office({ retry: both })
    const { id } = on.telegram.createGroup({ title: 'Board', owner: on.people[0]!, admins: [on.account] })
    const pinned: number[] = []
    for (const text of ['1', '2', '3']) {
      const { message_id } = await on.api.sendMessage(id, text)
      await on.api.pinChatMessage(id, message_id)
      pinned.push(message_id)
    }
    const top = async () => (await on.api.getChat(id)).pinned_message?.message_id
    on.telegram.faults.next('unpinChatMessage', { drop: 'after' })
    expect(await fate(on.api.unpinChatMessage(id))).toBe('HttpError')
    expect(await top()).toBe(pinned[1])
    on.telegram.faults.next('unpinChatMessage', { drop: 'after' })
    const call = fate(on.api.unpinChatMessage(id, pinned[1]!))
    await on.waiting(1)
    await on.pass(500)
    expect(await call).toBe('sent')
    expect(await top()).toBe(pinned[0])
  })
})

describe('a file', () => {
  const sticker = (data: ConstructorParameters<typeof InputFile>[0]) => new InputFile(data, 'a.txt')

  test('of bytes is sent again after a 429', async () => {
    on = await office()
    const [alice] = on.people
    on.telegram.faults.next('sendDocument', { code: 429, retryAfter: 1 })
    const call = fate(on.api.sendDocument(alice!.id, sticker(new Uint8Array([1, 2, 3]))))
    await on.waiting(1)
    await on.pass(SECOND)
    expect(await call).toBe('sent')
  })

  test('from a stream is not, as the stream was read: the caller gets the 429', async () => {
    on = await office()
    const [alice] = on.people
    on.telegram.faults.next('sendDocument', { code: 429, retryAfter: 1 })
    expect(await fate(on.api.sendDocument(alice!.id, sticker(Readable.from([Buffer.from('abc')]))))).toBe(429)
    on.telegram.faults.next('sendMediaGroup', { code: 429, retryAfter: 1 })
    await on.pass(SECOND)
    const album = ['a', 'b'].map(() => ({
      type: 'document' as const,
      media: sticker(Readable.from([Buffer.from('abc')])),
    }))
    expect(await fate(on.api.sendMediaGroup(alice!.id, album))).toBe(429)
  })
})

describe('listeners and callbacks learn of', () => {
  test('every 429: its chat, its duration, and whether the call is repeated', async () => {
    const told: OutgoingLimitedEvent[] = []
    on = await office({ attempts: 2, onLimited: (event) => told.push(event) })
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2, times: 2 })
    const call = fate(on.api.sendMessage(alice!.id, 'x'))
    await on.waiting(1)
    await on.pass(2 * SECOND)
    expect(await call).toBe(429)
    const common = { bot: undefined, method: 'sendMessage', chat: alice!.id, retryAfterMs: 2000 }
    expect(told).toEqual([
      { ...common, attempt: 1, retried: true },
      { ...common, attempt: 2, retried: false },
    ])
  })

  test('a call that is given up because it would wait too long', async () => {
    const told: OutgoingLimitedEvent[] = []
    on = await office({ maxWait: '5s', onLimited: (event) => told.push(event) })
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 6 })
    expect(await fate(on.api.sendMessage(alice!.id, 'x'))).toBe(429)
    expect(told).toEqual([expect.objectContaining({ retryAfterMs: 6000, attempt: 1, retried: false })])
  })

  test('a group that has got another id', async () => {
    const told: ChatMigratedEvent[] = []
    on = await office({ onMigrated: (event) => told.push(event) })
    const [alice] = on.people
    const group = on.telegram.createGroup({
      title: 'Grows',
      owner: alice!,
      members: [on.account],
      basic: true,
    })
    const { id } = await alice!.in(group).upgrades()
    expect(await fate(on.api.sendMessage(group.id, 'x'))).toBe(400)
    expect(told).toEqual([{ bot: undefined, method: 'sendMessage', from: group.id, to: id }])
  })

  test('all this even if the functions throw, which fails no call', async () => {
    const errors: FailureEvent[] = []
    on = await office({
      onLimited() {
        throw new Error('boom')
      },
      onError: (event) => errors.push(event),
    })
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 1 })
    const call = fate(on.api.sendMessage(alice!.id, 'x'))
    await on.waiting(1)
    await on.pass(SECOND)
    expect(await call).toBe('sent')
    expect(errors).toEqual([{ error: new Error('boom'), during: 'outgoing.onLimited' }])
  })

  test('all this even if async functions reject, which fails no call and ends no process', async () => {
    const errors: FailureEvent[] = []
    on = await office({
      onLimited: async () => Promise.reject(new Error('the admin chat is limited, too')),
      onError: (event) => errors.push(event),
    })
    expect(await limitedOnce()).toBe('sent')
    expect(errors).toEqual([
      { error: new Error('the admin chat is limited, too'), during: 'outgoing.onLimited' },
    ])
  })

  test.each<[string, () => void]>([
    ['throws', raise('B')],
    ['is rejected', async () => raise('B')()],
  ])('errors, by an onError that %s: the console reports it', async (_, onError) => {
    on = await office({ onLimited: raise('A'), onError })
    const said: string[] = []
    const { error } = console
    console.error = (line: string) => said.push(line)
    try {
      expect(await limitedOnce()).toBe('sent')
    } finally {
      console.error = error
    }
    expect(said).toEqual([expect.stringMatching(/outgoing\.onError failed\. .*B/)])
  })

  /** Returns the outcome of a call that is answered 429 once. */
  async function limitedOnce(): Promise<string | number> {
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 1 })
    const call = fate(on.api.sendMessage(alice!.id, 'x'))
    await on.waiting(1)
    await on.pass(SECOND)
    return call
  }

  function raise(what: string): () => never {
    return () => {
      throw new Error(what)
    }
  }

  test('a 429 without a duration, which is a second long', async () => {
    on = await office()
    const [alice] = on.people
    const body = JSON.stringify({ ok: false, error_code: 429, description: 'slow down' })
    on.telegram.faults.next('sendMessage', { code: 429, body })
    const call = fate(on.api.sendMessage(alice!.id, 'x'))
    await on.waiting(1)
    await on.pass(999)
    expect(on.calls.health().waiting).toBe(1)
    await on.pass(1)
    expect(await call).toBe('sent')
  })
})

describe('options', () => {
  test.each([
    [{ attempts: 0 }, 'option.invalid', 'outgoing.attempts'],
    [{ maxWiat: '1s' }, 'option.unknown', 'Did you mean "maxWait"'],
    [{ maxWait: 'soon' }, 'duration.invalid', 'outgoing.maxWait'],
    [{ retry: ['floods'] }, 'option.invalid', 'Did you mean "flood"'],
    [{ order: 'chats' }, 'option.invalid', 'Did you mean "chat"'],
  ])('%j is refused: %s', async (options, code, words) => {
    on = await office()
    expect(() => outgoing(options as never)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words) }),
    )
  })
})
