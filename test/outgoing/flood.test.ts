import { Api } from 'grammy'
import { outgoing } from '../../src/outgoing/outgoing.js'
import { until } from '../servers/until.js'
import { fate, type Office, office } from './rig.js'

let on: Office
afterEach(() => on.stop())

const [SECOND, MINUTE] = [1000, 60_000]

describe('a chat that is flooded', () => {
  test('waits as long as Telegram demands, and other chats do not', async () => {
    on = await office({}, { chat: '2/10s' })
    const [alice, bob] = on.people
    const toAlice = ['1', '2', '3'].map((text) => fate(on.api.sendMessage(alice!.id, text)))
    await on.waiting(1)
    expect(await fate(on.api.sendMessage(bob!.id, 'hello'))).toBe('sent')
    expect(await fate(on.api.sendMessage(bob!.id, 'again'))).toBe('sent')
    const before = on.made
    await on.pass(9 * SECOND)
    expect(on.made).toBe(before)
    await on.pass(1 * SECOND)
    expect(await Promise.all(toAlice)).toEqual(['sent', 'sent', 'sent'])
    expect(on.calls.health()).toMatchObject({ calls: 5, limited: 1, retried: 1, gaveUp: 0, paused: 0 })
  })

  test('gets the messages sent meanwhile in order, one at a time, after the refused one', async () => {
    on = await office({}, { chat: '5/5s' })
    const [alice] = on.people
    const texts = Array.from({ length: 9 }, (_, i) => `message ${i}`)
    const sent: Promise<unknown>[] = []
    for (const text of texts.slice(0, 5)) await on.api.sendMessage(alice!.id, text)
    for (const text of texts.slice(5)) {
      sent.push(fate(on.api.sendMessage(alice!.id, text)))
      await on.waiting(sent.length)
    }
    // The first of the four calls was refused; the others were not made.
    expect(on.calls.health()).toMatchObject({ limited: 1, waiting: 4 })
    await on.pass(5 * SECOND)
    expect(await Promise.all(sent)).toEqual(['sent', 'sent', 'sent', 'sent'])
    expect(on.heard(alice!)).toEqual(texts)
  })

  test('keeps its order when several calls were in progress, whichever is answered first', async () => {
    on = await office()
    const [alice] = on.people
    // All three are refused, the first one last.
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3, delay: '60ms' })
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3, delay: '30ms' })
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
    const sent = ['a', 'b', 'c'].map((text) => fate(on.api.sendMessage(alice!.id, text)))
    await on.waiting(3)
    await on.pass(3 * SECOND)
    expect(await Promise.all(sent)).toEqual(['sent', 'sent', 'sent'])
    expect(on.heard(alice!)).toEqual(['a', 'b', 'c'])
  })

  test('does not delay calls that ban or delete: a flood of messages does not stop moderation', async () => {
    on = await office()
    const [alice] = on.people
    const { message_id } = await on.api.sendMessage(alice!.id, 'spam')
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 30 })
    const held = fate(on.api.sendMessage(alice!.id, 'held'))
    await on.waiting(1)
    expect(await fate(on.api.deleteMessage(alice!.id, message_id))).toBe('sent')
    await on.pass(30 * SECOND)
    expect(await held).toBe('sent')
  })

  test("does not delay the bot's own chat with the same id when it is a chat of a business account", async () => {
    on = await office()
    const [alice] = on.people
    const business = { business_connection_id: 'connection-of-a-shop' }
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
    const held = fate(on.api.sendMessage(alice!.id, 'from the shop', business))
    await on.waiting(1)
    const own = fate(on.api.sendMessage(alice!.id, 'from the bot'))
    await until('it is sent', () => on.heard(alice!).includes('from the bot'))
    const behind = fate(on.api.sendMessage(String(alice!.id), 'from the shop, too', business))
    await on.waiting(2)
    await on.pass(3 * SECOND)
    // The embedded Telegram has no business accounts.
    expect(await Promise.all([own, held, behind])).toEqual(['sent', 501, 501])
  })

  test('is the same chat whether named by number or by text', async () => {
    on = await office()
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
    const held = [alice!.id, String(alice!.id)].map((chat) => fate(on.api.sendMessage(chat, 'x')))
    await on.waiting(1)
    held.push(fate(on.api.sendMessage(String(alice!.id), 'y')))
    await on.waiting(2)
    await on.pass(3 * SECOND)
    expect(await Promise.all(held)).toEqual(['sent', 'sent', 'sent'])
  })
})

describe('a call that is given up', () => {
  test('has used all attempts: its caller gets the 429', async () => {
    on = await office({ attempts: 3 })
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2, times: 5 })
    const call = fate(on.api.sendMessage(alice!.id, 'x'))
    for (let attempt = 1; attempt < 3; attempt++) {
      await until('it waits again', () => on.calls.health().limited === attempt)
      await on.waiting(1)
      await on.pass(2 * SECOND)
    }
    expect(await call).toBe(429)
    expect(on.calls.health()).toMatchObject({ calls: 1, limited: 3, retried: 2, gaveUp: 1 })
  })

  test('would have to wait too long, and fails at once', async () => {
    on = await office({ maxWait: '30s' })
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 31 })
    expect(await fate(on.api.sendMessage(alice!.id, 'x'))).toBe(429)
    const before = on.made
    // Telegram is not asked again before the time is over: the error is created locally, with the remaining time.
    const error = await on.api.sendMessage(alice!.id, 'y').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ error_code: 429, parameters: { retry_after: 31 } })
    expect(on.made).toBe(before)
    await on.pass(31 * SECOND)
    expect(await fate(on.api.sendMessage(alice!.id, 'z'))).toBe('sent')
    expect(on.calls.health()).toMatchObject({ gaveUp: 2, waiting: 0, paused: 0 })
  })

  test('waits for a chat that stays closed for too long, and fails as soon as that is known', async () => {
    on = await office({ maxWait: '1m' })
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 1 })
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3600 })
    const sent = [fate(on.api.sendMessage(alice!.id, 'a'))]
    await on.waiting(1)
    sent.push(fate(on.api.sendMessage(alice!.id, 'b')))
    await on.waiting(2)
    const error = on.api.sendMessage(alice!.id, 'c').catch((thrown: unknown) => thrown)
    await on.waiting(3)
    await on.pass(1 * SECOND)
    expect(await Promise.all(sent)).toEqual([429, 429])
    expect(await error).toMatchObject({ error_code: 429, parameters: { retry_after: 3600 } })
    expect(on.calls.health()).toMatchObject({ limited: 2, gaveUp: 3, waiting: 0 })
  })

  test('is in a long queue, and waits no longer than allowed', async () => {
    on = await office({ maxWait: '5s', attempts: 100 })
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 4, times: 2 })
    const first = fate(on.api.sendMessage(alice!.id, 'first'))
    await on.waiting(1)
    const second = fate(on.api.sendMessage(alice!.id, 'second'))
    await on.waiting(2)
    await on.pass(4 * SECOND)
    // The first call found the chat still limited, and may not wait for another four seconds.
    expect(await first).toBe(429)
    await on.pass(1 * SECOND)
    expect(await second).toBe(429)
  })

  test('exceeds the number of waiting calls, and fails at once', async () => {
    on = await office({ maxWaiting: 2 })
    const [alice, bob, carol] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3, times: 3 })
    const held = [fate(on.api.sendMessage(alice!.id, '1'))]
    await on.waiting(1)
    held.push(fate(on.api.sendMessage(bob!.id, '2')))
    await on.waiting(2)
    expect(await fate(on.api.sendMessage(carol!.id, '3'))).toBe(429)
    await on.pass(3 * SECOND)
    expect(await Promise.all(held)).toEqual(['sent', 'sent'])
    expect(on.calls.health()).toMatchObject({ overloaded: 1, gaveUp: 1 })
  })

  test('waits when outgoing is closed; later calls are made without waiting', async () => {
    on = await office()
    const [alice, bob] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
    const held = fate(on.api.sendMessage(alice!.id, 'x'))
    await on.waiting(1)
    await on.calls.close()
    expect(await held).toBe(429)
    // Made once, without a retry.
    expect(on.calls.health()).toMatchObject({ limited: 1, retried: 0, gaveUp: 1 })
    expect(await fate(on.api.sendMessage(bob!.id, 'x'))).toBe('sent')
    // Not refused, although the queue of its chat was waiting.
    expect(await fate(on.api.sendMessage(alice!.id, 'x'))).toBe('sent')
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
    expect(await fate(on.api.sendMessage(bob!.id, 'x'))).toBe(429)
  })

  test('is none that may wait for weeks, longer than any timer', async () => {
    on = await office({ maxWait: '30d' })
    const { api, calls } = on.worker({ maxWait: '30d' }, { timers: undefined })
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 600 })
    const held = fate(api.sendMessage(alice!.id, 'x'))
    await on.waiting(1)
    // A Node timer with a longer duration would fire at once.
    await new Promise((done) => setTimeout(done, 20))
    expect(calls.health()).toMatchObject({ waiting: 1, gaveUp: 0 })
    await calls.close()
    expect(await held).toBe(429)
  })

  test('is for one chat more than can be tracked, and gets the answer of Telegram once', async () => {
    on = await office()
    const api = new Api(on.account.token)
    const asked = new Map<unknown, number>()
    const calls = outgoing({ maxWaiting: 20_000 }, { timers: { after: () => () => undefined } })
    api.config.use(async (_prev, _method, payload) => {
      const { chat_id } = payload as { chat_id: number }
      asked.set(chat_id, (asked.get(chat_id) ?? 0) + 1)
      return { ok: false, error_code: 429, description: 'busy', parameters: { retry_after: 30 } }
    }, calls)
    const held = Array.from({ length: 10_000 }, (_, i) => fate(api.getChat(i + 1)))
    await until('all lanes are taken', () => calls.health().waiting === 10_000)
    expect(await fate(api.getChat(10_001))).toBe(429)
    expect(asked.get(10_001)).toBe(1)
    expect(calls.health()).toMatchObject({ overloaded: 1, gaveUp: 1, retried: 0 })
    await calls.close()
    expect(new Set(await Promise.all(held))).toEqual(new Set([429]))
  })

  test('is aborted while it waits, and those behind it continue', async () => {
    on = await office()
    const [alice] = on.people
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
    const away = new AbortController()
    const first = fate(on.api.sendMessage(alice!.id, '1', {}, away.signal as never))
    await on.waiting(1)
    const second = fate(on.api.sendMessage(alice!.id, '2'))
    await on.waiting(2)
    away.abort()
    expect(await first).toBe('HttpError')
    await on.pass(3 * SECOND)
    expect(await second).toBe('sent')
    expect(on.heard(alice!)).toEqual(['2'])
  })
})

describe('a bot that is limited as a whole', () => {
  test('is recognized by many flooded chats; then all messages wait, and resume slowly', async () => {
    on = await office({}, false, 20)
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2, times: 5 })
    const sent = on.people.slice(0, 5).map((person) => fate(on.api.sendMessage(person.id, 'x')))
    await on.waiting(5)
    const before = on.made
    sent.push(...on.people.slice(5).map((person) => fate(on.api.sendMessage(person.id, 'x'))))
    await on.waiting(20)
    expect(on.made).toBe(before)
    // Calls that send nothing are not affected.
    expect(await fate(on.api.getMe())).toBe('sent')
    expect(await fate(on.api.getChat(on.people[0]!.id))).toBe('sent')
    await on.pass(2 * SECOND)
    expect(await Promise.all(sent)).toEqual(Array(20).fill('sent'))
    await until('nothing is left', () => on.calls.health().paused === 0)
  })

  test('is not assumed from four chats, or five one after another', async () => {
    on = await office({}, false, 12)
    const limited = async (count: number, from: number): Promise<void> => {
      on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 40, times: count })
      for (const { id } of on.people.slice(from, from + count)) void fate(on.api.sendMessage(id, 'x'))
      await on.waiting(from + count)
    }
    await limited(4, 0)
    await on.pass(2 * SECOND)
    await limited(4, 4)
    expect(await fate(on.api.sendMessage(on.people[11]!.id, 'x'))).toBe('sent')
  })

  test('resumes when the first of the five chats opens: one that is closed for long does not delay others', async () => {
    on = await office({}, false, 8)
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2, times: 4 })
    const sent = on.people.slice(0, 4).map(({ id }) => fate(on.api.sendMessage(id, 'x')))
    await on.waiting(4)
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 50 })
    const last = fate(on.api.sendMessage(on.people[4]!.id, 'x'))
    await on.waiting(5)
    sent.push(fate(on.api.sendMessage(on.people[5]!.id, 'x')))
    await on.waiting(6)
    await on.pass(2 * SECOND)
    expect(await Promise.all(sent)).toEqual(Array(5).fill('sent'))
    await on.pass(48 * SECOND)
    expect(await last).toBe('sent')
  })

  test.each([
    ['sent', 'sent'],
    ['refused, since everybody has blocked the bot,', 403],
  ])('ends as soon when its calls are %s', async (_, outcome) => {
    on = await office({}, false, 40)
    if (outcome === 403) for (const person of on.people) await person.blocks(on.account)
    const api = new Api(on.account.token, { apiRoot: on.telegram.apiRoot })
    let running = 0
    let most = 0
    api.config.use(async (prev, method, payload, signal) => {
      most = Math.max(most, ++running)
      return prev(method, payload, signal).finally(() => running--)
    })
    api.config.use(on.calls)
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 1, times: 40 })
    const sent = on.people.map(({ id }) => fate(api.sendMessage(id, 'news')))
    await on.waiting(40)
    most = 0
    await on.pass(2 * SECOND)
    expect(await Promise.all(sent)).toEqual(Array(40).fill(outcome))
    expect(most).toBeGreaterThan(3)
  })

  test('repeats no call that may be made only once', async () => {
    on = await office({ attempts: 1 }, false, 8)
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2, times: 8 })
    const sent = on.people.map(({ id }) => fate(on.api.sendMessage(id, 'x')))
    expect(await Promise.all(sent)).toEqual(Array(8).fill(429))
    expect(on.calls.health()).toMatchObject({ retried: 0, gaveUp: 8 })
  })

  test('uses no attempts; refusals of its chats do', async () => {
    on = await office({ attempts: 2 }, false, 8)
    const everybody = on.people.slice(0, 5)
    // All are refused, and then the first of them twice more.
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2, times: 5 })
    const sent = everybody.map(({ id }) => fate(on.api.sendMessage(id, 'x')))
    for (const limited of [5, 6, 7]) {
      await until('the first after the pause is refused', () => on.calls.health().limited === limited)
      await on.waiting(5)
      if (limited < 7) on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2 })
      await on.pass(2 * SECOND)
    }
    expect(await Promise.all(sent)).toEqual(Array(5).fill('sent'))
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2, times: 2 })
    const alone = fate(on.api.sendMessage(on.people[7]!.id, 'x'))
    await on.waiting(1)
    await on.pass(2 * SECOND)
    expect(await alone).toBe(429)
  })

  test('reaches the overall limit and still delivers everything', async () => {
    on = await office({}, { overall: '10/1s', chat: false, group: false }, 40)
    const sent = on.people.map((person) => fate(on.api.sendMessage(person.id, 'news')))
    const all = Promise.all(sent)
    let done = false
    void all.then(() => {
      done = true
    })
    for (let i = 0; i < 60 && !done; i++) {
      await until('all that may be is sent', () => done || on.calls.health().waiting > 0)
      await on.pass(250)
    }
    expect(await all).toEqual(Array(40).fill('sent'))
  })
})

describe('calls that concern no chat', () => {
  test('wait for earlier calls of their own method', async () => {
    on = await office()
    on.telegram.faults.next('getMe', { code: 429, retryAfter: 3 })
    const held = fate(on.api.getMe())
    await on.waiting(1)
    expect(await fate(on.api.getWebhookInfo())).toBe('sent')
    await on.pass(3 * SECOND)
    expect(await held).toBe('sent')
  })

  test('getUpdates never waits, nor do methods of the option', async () => {
    on = await office({ ignore: ['getMe'] })
    on.telegram.faults.next('getUpdates', { code: 429, retryAfter: 3 })
    expect(await fate(on.api.getUpdates({ timeout: 0 }))).toBe(429)
    on.telegram.faults.next('getMe', { code: 429, retryAfter: 3 })
    expect(await fate(on.api.getMe())).toBe(429)
    expect(on.calls.health()).toMatchObject({ calls: 0, limited: 0, paused: 0 })
  })
})

describe('order: chat', () => {
  test('calls to one chat are made one at a time even if nothing is flooded', async () => {
    on = await office()
    const [alice, bob] = on.people
    const api = new Api(on.account.token, { apiRoot: on.telegram.apiRoot })
    let open = (): void => undefined
    const gate = new Promise<void>((done) => {
      open = done
    })
    const begun: unknown[] = []
    const calls = outgoing({ order: 'chat' }, { clock: on.time.clock, timers: on.time.timers })
    api.config.use(async (prev, method, payload, signal) => {
      const { text } = payload as { text: string }
      begun.push(text)
      // The first call takes long.
      if (text === '1') await gate
      return prev(method, payload, signal)
    }, calls)
    const sent = ['1', '2', '3'].map((text) => fate(api.sendMessage(alice!.id, text)))
    // Calls to other chats do not wait for it.
    expect(await fate(api.sendMessage(bob!.id, 'x'))).toBe('sent')
    expect(begun).toEqual(['1', 'x'])
    open()
    expect(await Promise.all(sent)).toEqual(['sent', 'sent', 'sent'])
    expect(on.heard(alice!)).toEqual(['1', '2', '3'])
    expect(calls.health().paused).toBe(0)
  })
})

test('jitter makes a wait longer, never shorter', async () => {
  on = await office()
  const { api, calls } = on.worker({ jitter: '10s' }, { random: () => 0.5 })
  const [alice] = on.people
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 3 })
  const held = fate(api.sendMessage(alice!.id, 'x'))
  await on.waiting(1)
  await on.pass(7999)
  expect(calls.health().waiting).toBe(1)
  await on.pass(1)
  expect(await held).toBe('sent')
  expect(calls.health().waitedMs).toBe(8000)
})

test('a day of floods leaves no state behind', async () => {
  on = await office({ maxWait: '1s' }, false, 30)
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 60, times: 30 })
  const fates = await Promise.all(on.people.map(({ id }) => fate(on.api.sendMessage(id, 'x'))))
  expect(fates).toEqual(Array(30).fill(429))
  expect(on.calls.health().paused).toBeGreaterThan(5)
  await on.pass(2 * MINUTE)
  expect(on.calls.health()).toMatchObject({ paused: 0, waiting: 0 })
})
