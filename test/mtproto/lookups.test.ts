import type { MtprotoClient } from '../../src/mtproto/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { Storage } from '../../src/storage/storage.js'
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
  ['download', (made, signal) => all(made.download({ chat: 'alice', message: 1 }, { signal }))],
]

/** A client behind a proxy. */
async function behindProxy(): Promise<{ readonly made: MtprotoClient; readonly proxy: NetworkProxy }> {
  const proxy = await startProxy(face.address.port)
  kept({ close: () => proxy.stop() })
  return { made: client({ server: { ...face.address, port: proxy.port } }), proxy }
}

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
