import { defaultMaxListeners, getEventListeners, getMaxListeners } from 'node:events'
import { jest } from '@jest/globals'
import type { MtprotoClient } from '../../src/mtproto/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import { type NetworkProxy, startProxy } from '../servers/proxy.js'
import { until } from '../servers/until.js'
import { alice, all, client, face, kept, onStage } from './stage.js'

// Calls that take a username begin with looking it up, for which they may have to connect first.

onStage()

const STOP = new Error('enough')
const CLOSED = { code: 'mtproto.session', message: expect.stringContaining('closed') }

type Call = (client: MtprotoClient, signal: AbortSignal) => Promise<unknown>

const CALLS: readonly (readonly [string, Call])[] = [
  ['members', (made, signal) => all(made.members('alice', { signal }))],
  ['history', (made, signal) => all(made.history('alice', { signal }))],
  ['purge', (made, signal) => made.purge('alice', 'alice', { signal })],
  ['photos', (made, signal) => all(made.photos('alice', { signal }))],
  ['dialogs', (made, signal) => all(made.dialogs({ signal }))],
  ['search', (made, signal) => all(made.search({ chat: 'alice', signal }))],
  ['adminLog', (made, signal) => all(made.adminLog('alice', { signal }))],
  ['upload', (made, signal) => made.upload(new Uint8Array(8), { signal })],
  ['sendFile', (made, signal) => made.sendFile('alice', new Uint8Array(8), { signal })],
  [
    'sendAlbum',
    (made, signal) =>
      made.sendAlbum(
        'alice',
        [1, 2].map((n) => ({ file: new Uint8Array(n) })),
        { signal },
      ),
  ],
  ['logInByQr', (made, signal) => made.logInByQr({ onUrl: () => undefined, signal })],
  ['download', (made, signal) => all(made.download({ chat: 'alice', message: 1 }, { signal }))],
]

/** A client behind a proxy. */
async function behindProxy(): Promise<{ readonly made: MtprotoClient; readonly proxy: NetworkProxy }> {
  const proxy = await startProxy(face.address.port)
  kept({ close: () => proxy.stop() })
  return { made: client({ server: { ...face.address, port: proxy.port } }), proxy }
}

/** Notes every signal that gets a listener, and how many listeners it has had at once. */
function listening(): ReadonlyMap<AbortSignal, number> {
  const most = new Map<AbortSignal, number>()
  const add = AbortSignal.prototype.addEventListener
  jest.spyOn(AbortSignal.prototype, 'addEventListener').mockImplementation(function (
    this: AbortSignal,
    ...listener: Parameters<typeof add>
  ) {
    add.apply(this, listener)
    most.set(this, Math.max(most.get(this) ?? 0, getEventListeners(this, 'abort').length))
  })
  return most
}

afterEach(() => jest.restoreAllMocks())

describe.each(CALLS)('%s()', (_, call) => {
  test('ends by its signal while the client connects', async () => {
    const { made, proxy } = await behindProxy()
    proxy.blackHole()
    const ending = new AbortController()
    const ended = expect(call(made, ending.signal)).rejects.toBe(STOP)
    await until('it connects', () => proxy.accepted > 0)
    ending.abort(STOP)
    await ended
  })

  test('does not connect if its signal is aborted already', async () => {
    const made = client()
    await expect(call(made, AbortSignal.abort(STOP))).rejects.toBe(STOP)
    // As long as another client needs to connect, so that a connection begun before would be counted by now.
    await client().connect()
    expect(made.counts().connections).toBe(0)
  })

  test('ends by its signal while Telegram does not answer', async () => {
    const { made, proxy } = await behindProxy()
    await made.connect()
    proxy.blackHole()
    const calls = made.counts().calls
    const ending = new AbortController()
    const ended = expect(call(made, ending.signal)).rejects.toBe(STOP)
    await until('it is sent', () => made.counts().calls > calls)
    ending.abort(STOP)
    await ended
  })
})

test('a signal ends its own call only, and others still get the answer of the lookup that they share', async () => {
  const { made, proxy } = await behindProxy()
  await made.connect()
  proxy.blackHole()
  const calls = made.counts().calls
  const ending = new AbortController()
  const ended = expect(all(made.photos('alice', { signal: ending.signal }))).rejects.toBe(STOP)
  const other = made.resolve('alice')
  await until('it is sent', () => made.counts().calls > calls)
  ending.abort(STOP)
  await ended
  await proxy.normal()
  expect(await other).toBe(alice.id)
  expect(face.calls('contacts.resolveUsername')).toBe(1)
})

test.each([
  ['an error as mtcute throws it', new Error('Client is destroyed')],
  ['an object like an error of Telegram', { text: 'WHY' }],
  ['an object without a prototype', Object.create(null)],
])('the reason of a signal is thrown as it is: %s', async (_, reason) => {
  const { made, proxy } = await behindProxy()
  await made.connect()
  proxy.blackHole()
  const calls = made.counts().calls
  const ending = new AbortController()
  const ended = all(made.photos(alice.id + 1, { signal: ending.signal })).catch((error: unknown) => error)
  await until('it is sent', () => made.counts().calls > calls)
  ending.abort(reason)
  expect(await ended).toBe(reason)
})

test('many lookups at once raise no warning about listeners', async () => {
  const made = client()
  await made.connect()
  const most = listening()
  await Promise.all(Array.from({ length: 30 }, () => made.dossier(alice.id)))
  const many = [...most].filter(([, count]) => count > defaultMaxListeners)
  expect(many.length).toBeGreaterThan(0)
  for (const [signal] of many) expect(getMaxListeners(signal)).toBe(Number.POSITIVE_INFINITY)
})

test('lookups that their signals have ended leave no listeners while Telegram does not answer', async () => {
  const { made, proxy } = await behindProxy()
  await made.connect()
  proxy.blackHole()
  const most = listening()
  const left = () => [...most.keys()].flatMap((signal) => getEventListeners(signal, 'abort')).length
  for (let n = 0; n < 5; n++) {
    const ending = new AbortController()
    const ended = all(made.photos('alice', { signal: ending.signal })).catch((error: unknown) => error)
    await until('it listens to its signal and to close()', () => left() >= 2)
    ending.abort(STOP)
    expect(await ended).toBe(STOP)
  }
  expect(left()).toBe(0)
})

test('close() ends a lookup that Telegram does not answer', async () => {
  const { made, proxy } = await behindProxy()
  await made.connect()
  proxy.blackHole()
  const calls = made.counts().calls
  const ended = expect(made.resolve('alice')).rejects.toMatchObject(CLOSED)
  await until('it is sent', () => made.counts().calls > calls)
  await made.close()
  await ended
})

test('close() ends a lookup whose count the storage never writes', async () => {
  const whole = memory()
  let asked = 0
  const put: Storage['values']['put'] = (space, name, ...rest) => {
    if (name !== 'names') return whole.values.put(space, name, ...rest)
    asked++
    return new Promise<never>(() => undefined)
  }
  const values = new Proxy(whole.values, {
    get: (of, name) => (name === 'put' ? put : Reflect.get(of, name).bind(of)),
  })
  const made = client({
    storage: new Proxy(whole, { get: (of, name) => (name === 'values' ? values : Reflect.get(of, name)) }),
  })
  const ended = [made.resolve('alice'), made.member('alice', 'alice')].map((call) =>
    expect(call).rejects.toMatchObject(CLOSED),
  )
  await until('the lookup hangs', () => asked === 1)
  await made.close()
  await Promise.all(ended)
})
