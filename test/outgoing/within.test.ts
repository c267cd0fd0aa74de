import { until } from '../servers/until.js'
import { fate, type Office, office } from './rig.js'

/* Transformers that were installed before ours run within each of its calls, and some call the API themselves. */

let on: Office
afterEach(() => on.stop())

/** A worker whose earlier transformer sends "typing" before each message. */
function typing(options: Parameters<Office['worker']>[0]) {
  const { api, calls } = on.worker({}, {})
  // Our transformer must be installed last, and only once.
  void calls.close()
  api.config.use(async (previous, method, payload, signal) => {
    if (method === 'sendMessage') {
      await api.sendChatAction((payload as { chat_id: number }).chat_id, 'typing')
    }
    return previous(method, payload, signal)
  })
  const { calls: own } = on.worker(options)
  api.config.use(own)
  return { api, calls: own }
}

const methods = (): string[] => on.telegram.calls().map(({ method }) => method)

test('a call within a transformer for the same chat does not wait for the message itself', async () => {
  on = await office()
  const [alice] = on.people
  const { api, calls } = typing({ order: 'chat' })
  const sent = ['one', 'two'].map((text) => fate(api.sendMessage(alice!.id, text)))
  expect(await Promise.all(sent)).toEqual(['sent', 'sent'])
  expect(methods()).toEqual(['sendChatAction', 'sendMessage', 'sendChatAction', 'sendMessage'])
  expect(calls.health()).toMatchObject({ calls: 4, gaveUp: 0, paused: 0 })
})

test('a call within a transformer does not wait for the message once the chat was flooded', async () => {
  on = await office()
  const [alice] = on.people
  const { api, calls } = typing({})
  on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2 })
  const sent = fate(api.sendMessage(alice!.id, 'one'))
  await on.waiting(1)
  await on.pass(2000)
  expect(await sent).toBe('sent')
  expect(on.heard(alice!)).toEqual(['one'])
  expect(calls.health()).toMatchObject({ limited: 1, retried: 1, gaveUp: 0, waiting: 0, paused: 0 })
})

test('a call within a transformer is repeated like every call, after the time that Telegram demands', async () => {
  on = await office()
  const [alice] = on.people
  const { api, calls } = typing({ order: 'chat' })
  on.telegram.faults.next('sendChatAction', { code: 429, retryAfter: 3 })
  const sent = fate(api.sendMessage(alice!.id, 'one'))
  await on.waiting(1)
  const before = on.made
  await on.pass(2999)
  expect(on.made).toBe(before)
  await on.pass(1)
  expect(await sent).toBe('sent')
  expect(methods()).toEqual(['sendChatAction', 'sendChatAction', 'sendMessage'])
  expect(calls.health()).toMatchObject({ limited: 1, gaveUp: 0, waiting: 0, paused: 0 })
})

test('a call within a transformer is given up if that time is too long', async () => {
  on = await office()
  const [alice] = on.people
  const { api, calls } = typing({ order: 'chat', maxWait: '2s' })
  on.telegram.faults.next('sendChatAction', { code: 429, retryAfter: 3 })
  expect(await fate(api.sendMessage(alice!.id, 'one'))).toBe(429)
  expect(calls.health()).toMatchObject({ limited: 1, gaveUp: 1, waiting: 0 })
})

describe('a call within a transformer for another chat', () => {
  /** A worker whose earlier transformer logs each message in a chat. */
  function noting(options: Parameters<Office['worker']>[0], log: number) {
    const { api, calls } = on.worker({}, {})
    void calls.close()
    api.config.use(async (previous, method, payload, signal) => {
      const { chat_id, text } = payload as { chat_id?: number; text?: string }
      if (method === 'sendMessage' && chat_id !== log) await api.sendMessage(log, `noted: ${text}`)
      return previous(method, payload, signal)
    })
    const { calls: own } = on.worker(options)
    api.config.use(own)
    return { api, calls: own }
  }

  test('waits there like every other call, one at a time', async () => {
    on = await office({}, false, 4)
    const [log, ...others] = on.people
    const { api, calls } = noting({}, log!.id)
    on.telegram.faults.next('sendMessage', { code: 429, retryAfter: 2 })
    const sent = others.map(({ id }) => fate(api.sendMessage(id, String(id))))
    // One of them was refused; the call that arrives meanwhile waits without an attempt.
    const through = () => others.filter((person) => on.heard(person).length > 0).length
    await until('the two others are through', () => through() === 2)
    await on.waiting(1)
    const later = others.map(({ id }) => fate(api.sendMessage(id, `again ${id}`)))
    await on.waiting(4)
    const before = on.made
    await on.pass(1999)
    expect(on.made).toBe(before)
    await on.pass(1)
    expect(await Promise.all([...sent, ...later])).toEqual(Array.from({ length: 6 }, () => 'sent'))
    expect(on.heard(log!)).toHaveLength(6)
    expect(calls.health()).toMatchObject({ gaveUp: 0, waiting: 0, paused: 0 })
  })

  test("keeps that chat's order", async () => {
    on = await office()
    const [log, alice, bob] = on.people
    const { api } = noting({ order: 'chat' }, log!.id)
    const sent = [alice, bob, alice, bob].map((person, nth) => fate(api.sendMessage(person!.id, String(nth))))
    expect(await Promise.all(sent)).toEqual(['sent', 'sent', 'sent', 'sent'])
    const noted = on.heard(log!).map((text) => text.replace('noted: ', ''))
    expect([noted.indexOf('0') < noted.indexOf('2'), noted.indexOf('1') < noted.indexOf('3')]).toEqual([
      true,
      true,
    ])
  })
})
