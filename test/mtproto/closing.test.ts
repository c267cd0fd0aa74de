import { createServer, type Server, type Socket } from 'node:net'
import { Bot } from 'grammy'
import type { MtprotoClient } from '../../src/mtproto/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import type { Values } from '../../src/storage/contract/values.js'
import { memory } from '../../src/storage/memory/memory.js'
import { until } from '../servers/until.js'
import { account, alice, client, face, guest, kept, onStage, telegram } from './stage.js'

onStage()

const CLOSED = { code: 'mtproto.session', message: expect.stringContaining('closed') }

/** Listens on a port, accepts connections and never answers. */
async function silent(): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  kept({
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  return (server.address() as { readonly port: number }).port
}

/** Returns a port on which nothing listens. */
async function deserted(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as { readonly port: number }
  await new Promise((done) => server.close(done))
  return port
}

type Watched = Partial<Record<'evaluate' | 'settle', () => unknown>>

/** The same storage, except that evaluate() and settle() first wait for callbacks. */
function watched(storage: Storage, { evaluate, settle }: Watched): Storage {
  const prepare: Storage['prepare'] = async (plan) => {
    const judge = await storage.prepare(plan)
    return {
      evaluate: async (...ask) => {
        await evaluate?.()
        return judge.evaluate(...ask)
      },
      peek: (...ask) => judge.peek(...ask),
      settle: async (...how) => {
        await settle?.()
        return judge.settle(...how)
      },
    }
  }
  return new Proxy(storage, { get: (of, name) => (name === 'prepare' ? prepare : Reflect.get(of, name)) })
}

test('close() waits for running handlers, which can still use the client, and a second close() waits as well', async () => {
  const storage = memory()
  const log: string[] = []
  let go: () => void = () => undefined
  const held = new Promise<void>((done) => {
    go = done
  })
  const made = client({ storage })
  const bridge = async (to: MtprotoClient) => {
    const bot = new Bot(account.token, account.config)
    bot.on('message:text', async ({ from, msg }) => {
      log.push(`begun ${msg.text}`)
      await held
      log.push(`${msg.text} is of ${(await to.dossier(from.id)).profile.firstName}`)
    })
    await to.bridge(bot)
  }
  const errors: unknown[] = []
  made.onError((error) => errors.push(error))
  await bridge(made)
  await alice.to(account).sends('one')
  await until('it is being handled', () => log.length === 1)
  const closing = made.close().then(() => log.push('closed'))
  const again = made.close().then(() => log.push('closed'))
  await new Promise((done) => setImmediate(done))
  // Nothing lasting can be started any more.
  await expect(made.bridge(new Bot(account.token, account.config))).rejects.toMatchObject(CLOSED)
  go()
  await Promise.all([closing, again])
  expect([log, errors]).toEqual([['begun one', 'one is of Alice', 'closed', 'closed'], []])
  await expect(made.dossier(alice.id)).rejects.toMatchObject(CLOSED)
  // The update was handled, so it is not delivered again.
  await bridge(client({ storage }))
  await alice.to(account).sends('two')
  await until('the next one came', () => log.includes('two is of Alice'))
  expect(log.filter((line) => line === 'begun one')).toHaveLength(1)
})

test.each([
  ['is away', deserted],
  ['says nothing', silent],
])('a server that %s does not delay close(), and a pending connect() rejects', async (_, dial) => {
  const made = guest({ botToken: account.token, server: { ...face.address, port: await dial() } })
  const connecting = expect(made.connect()).rejects.toMatchObject(CLOSED)
  await until('it has tried', () => made.counts().connections > 0 || _ === 'is away')
  await made.close()
  await connecting
})

test('a client that is closed while it waits for a session does not take it later', async () => {
  const storage = memory()
  const first = client({ storage })
  await first.connect()
  let asked = 0
  const counted = watched(storage, { evaluate: () => asked++ })
  const second = client({ storage: counted })
  const connecting = expect(second.connect()).rejects.toMatchObject(CLOSED)
  await until('it has asked for the session', () => asked > 0)
  await second.close()
  await connecting
  await first.close()
  expect(second.counts().calls).toBe(0)
  // The session is free.
  await client({ storage }).connect()
})

test('a client that is closed at the moment it gets the session reads and writes nothing', async () => {
  const kept = memory()
  let [asked, touched] = [0, 0]
  let go: () => void = () => undefined
  const values = new Proxy(kept.values, {
    get: (of, name) => {
      touched++
      return Reflect.get(of, name).bind(of)
    },
  })
  const seen = new Proxy(kept, { get: (of, name) => (name === 'values' ? values : Reflect.get(of, name)) })
  const hold = async () => {
    asked++
    await new Promise<void>((done) => {
      go = done
    })
  }
  const made = client({ storage: watched(seen, { evaluate: () => (asked < 2 ? hold() : undefined) }) })
  const connecting = expect(made.connect()).rejects.toMatchObject(CLOSED)
  await until('it asks for the session', () => asked === 1)
  go()
  await until('it asks for what comes behind', () => asked === 2)
  go()
  await made.close()
  await connecting
  expect(touched).toBe(0)
})

test('a storage that hangs is reported, and close() does not wait for it any longer', async () => {
  let hangs = false
  const storage = watched(memory(), { settle: () => (hangs ? new Promise(() => undefined) : undefined) })
  const made = client({ storage })
  const errors: unknown[] = []
  made.onError((error) => errors.push(error))
  await made.connect()
  hangs = true
  await made.close()
  expect(errors).toMatchObject([{ code: 'mtproto.session', message: expect.stringContaining('the lease') }])
})

test.each(['kv:dc_main', 'kv:updates_pts', 'auth:'])(
  'a storage that fails to read %s while connecting rejects the call, and is read again by the next one',
  async (key) => {
    const kept = memory()
    const away = new Error('the storage is away')
    let isAway = true
    const get: Values['get'] = async (space, name) => {
      if (isAway && name.startsWith(key)) throw away
      return kept.values.get(space, name)
    }
    const values = new Proxy(kept.values, {
      get: (of, name) => (name === 'get' ? get : Reflect.get(of, name).bind(of)),
    })
    const storage = new Proxy(kept, {
      get: (of, name) => (name === 'values' ? values : Reflect.get(of, name)),
    })
    const made = client({ storage })
    await expect(made.connect()).rejects.toBe(away)
    isAway = false
    expect(await made.connect()).toMatchObject({ id: account.id })
  },
)

test('an invalid public key does not block the session', async () => {
  const storage = memory()
  const wrong = guest({
    botToken: account.token,
    storage,
    server: { ...face.address, publicKey: 'nonsense' },
  })
  await expect(wrong.connect()).rejects.toThrow()
  // Otherwise, the lease of the failed client would be renewed forever.
  await client({ storage }).connect()
})

describe('a bridge', () => {
  const heard: string[] = []
  const bot = () => {
    heard.length = 0
    const made = new Bot(account.token, account.config)
    made.on('message:text', ({ msg }) => void heard.push(msg.text))
    return made
  }

  test('can be made only once: a second one is refused, and updates are delivered once', async () => {
    const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
    const made = client()
    const one = bot()
    const both = await Promise.allSettled([made.bridge(one), made.bridge(one)])
    expect(both).toMatchObject([
      { status: 'fulfilled' },
      {
        status: 'rejected',
        reason: { code: 'mtproto.session', message: expect.stringContaining('already') },
      },
    ])
    await expect(made.bridge(one)).rejects.toMatchObject({ code: 'mtproto.session' })
    for (const text of ['one', 'two']) await alice.in(plaza).sends(text)
    await until('both came', () => heard.includes('two'))
    expect(heard).toEqual(['one', 'two'])
  })

  test('that failed can be retried, and delivers each update once', async () => {
    const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
    const made = client()
    const one = bot()
    await made.connect()
    face.fail('updates.getState', 400, 'SOMETHING_WRONG')
    await expect(made.bridge(one)).rejects.toThrow(/SOMETHING_WRONG/)
    await made.bridge(one)
    for (const text of ['one', 'two']) await alice.in(plaza).sends(text)
    await until('both came', () => heard.includes('two'))
    expect(heard).toEqual(['one', 'two'])
  })

  test.each(['the bot', 'the storage'])(
    'that waits for %s when the client is closed does not start later',
    async (slow) => {
      const kept = memory()
      // With a saved position, the bridge does not ask Telegram where to begin.
      const first = client({ storage: kept })
      await first.bridge(bot())
      await alice.to(account).sends('one')
      await until('it came', () => heard.length === 1)
      await first.close()

      let [connected, waits] = [false, false]
      let go: () => void = () => undefined
      const hold = async () => {
        waits = true
        await new Promise<void>((done) => {
          go = done
        })
      }
      const scan: Values['scan'] = async (...page) => {
        if (connected) await hold()
        return kept.values.scan(...page)
      }
      const values = new Proxy(kept.values, {
        get: (of, name) => (name === 'scan' ? scan : Reflect.get(of, name).bind(of)),
      })
      const storage = new Proxy(kept, {
        get: (of, name) => (name === 'values' && slow === 'the storage' ? values : Reflect.get(of, name)),
      })
      const made = client({ storage })
      await made.connect()
      connected = true
      const one = bot()
      if (slow === 'the bot') one.init = hold
      const bridging = expect(made.bridge(one)).rejects.toMatchObject(CLOSED)
      await until('it waits', () => waits)
      await made.close()
      go()
      await bridging
    },
  )
})
