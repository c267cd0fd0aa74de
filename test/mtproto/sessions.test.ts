import { randomBytes } from 'node:crypto'
import { ownKey } from '../../src/core/subject.js'
import { SessionLease } from '../../src/mtproto/client/sessions/session-lease.js'
import { SessionStorage } from '../../src/mtproto/client/sessions/session-storage.js'
import { type MtprotoClient, type MtprotoOptions, mtproto } from '../../src/mtproto/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { startTelegram } from '../../src/telegram/index.js'
import { Stage } from '../middleware/rig.js'
import { until } from '../servers/until.js'
import { PLACES, type Place } from './session-places.js'

const KEY = Buffer.alloc(32, 1)
const OTHER = Buffer.alloc(32, 2)

type Peer = Parameters<SessionStorage['peers']['store']>[0]

function peer(id: number, more: Partial<Peer> = {}): Peer {
  return {
    id,
    accessHash: `${id}.77`,
    isMin: false,
    usernames: [],
    updated: 1000,
    complete: Buffer.from(`all of ${id}`),
    ...more,
  }
}

describe.each(PLACES)('sessions in %s', (kind, make) => {
  let place: Place
  let opened: Storage[]
  let clients: MtprotoClient[]
  /** The name of the session, different in each test. */
  let own: string
  let tests = 0

  beforeAll(async () => {
    place = await make()
  })
  afterAll(() => place.clear())
  beforeEach(() => {
    own = `session${++tests}`
    opened = []
    clients = []
  })
  afterEach(async () => {
    for (const client of clients) await client.close()
    for (const storage of opened) await storage.close()
  })

  async function storage(clock?: () => number): Promise<Storage> {
    const made = await place.open(clock)
    opened.push(made)
    return made
  }

  /** Opens the session as the next process would. */
  async function session(keys: readonly Buffer[] = [KEY], name = own): Promise<SessionStorage> {
    return new SessionStorage(await storage(), name, keys)
  }

  test('contain auth keys by data centre, and temporary ones until they expire', async () => {
    const first = await session()
    const [one, two, temporary] = [randomBytes(256), randomBytes(256), randomBytes(256)]
    await first.authKeys.set(2, one)
    await first.authKeys.set(4, two)
    await first.authKeys.setTemp(2, 0, temporary, 5000)
    await first.authKeys.setTemp(2, 1, two, 9000)
    const next = await session()
    expect(await next.isThere()).toBe(true)
    expect(Buffer.from((await next.authKeys.get(2)) ?? '')).toEqual(one)
    expect(Buffer.from((await next.authKeys.get(4)) ?? '')).toEqual(two)
    expect(await next.authKeys.get(1)).toBeNull()
    expect(Buffer.from((await next.authKeys.getTemp(2, 0, 4999)) ?? '')).toEqual(temporary)
    expect(await next.authKeys.getTemp(2, 0, 5000)).toBeNull()
    await next.authKeys.deleteByDc(2)
    expect(await next.authKeys.get(2)).toBeNull()
    expect(await next.authKeys.getTemp(2, 1, 1)).toBeNull()
    expect(await next.authKeys.get(4)).not.toBeNull()
    await next.authKeys.set(4, null)
    expect(await (await session()).isThere()).toBe(false)
  })

  test('find peers by id, username and phone, with their access hash, for the current owner of a name', async () => {
    const first = await session()
    await first.peers.store(peer(7, { usernames: ['alice', 'alice_too'], phone: '491701234567' }))
    await first.peers.store(peer(-1000000000005, { usernames: ['plaza'] }))
    const next = await session()
    const alice = peer(7, { usernames: ['alice', 'alice_too'], phone: '491701234567' })
    expect(await next.peers.getById(7)).toEqual(alice)
    expect(await next.peers.getByUsername('Alice_Too')).toEqual(alice)
    expect(await next.peers.getByPhone('491701234567')).toEqual(alice)
    expect(await next.peers.getByUsername('plaza')).toMatchObject({
      id: -1000000000005,
      accessHash: '-1000000000005.77',
    })
    expect(await next.peers.getById(8)).toBeNull()
    // Alice changes her username and number. The old ones are unknown until another user has them.
    await next.peers.store(peer(7, { usernames: ['alicia'], phone: '15550001' }))
    expect(await next.peers.getByUsername('alice')).toBeNull()
    expect(await next.peers.getByPhone('491701234567')).toBeNull()
    await next.peers.store(peer(8, { usernames: ['alice'] }))
    expect(await next.peers.getByUsername('alice')).toMatchObject({ id: 8 })
    await next.peers.deleteAll()
    expect(await next.peers.getByUsername('alice')).toBeNull()
    expect(await next.peers.getById(7)).toBeNull()
  })

  test('keep complete peers when incomplete ones (min) are stored', async () => {
    const first = await session()
    await first.peers.store(peer(9, { isMin: true, accessHash: '1.1' }))
    expect(await first.peers.getById(9)).toMatchObject({ isMin: true })
    await first.peers.store(peer(9, { usernames: ['bob'] }))
    await first.peers.store(peer(9, { isMin: true, accessHash: '1.1', usernames: ['bob'] }))
    expect(await (await session()).peers.getByUsername('bob')).toMatchObject({
      isMin: false,
      accessHash: '9.77',
    })
  })

  test('keep the positions of updates, of the account and of each channel', async () => {
    const first = await session()
    for (const [name, value] of [
      ['updates_pts', 41],
      ['updates_qts', 3],
      ['updates_date', 1_795_000_000],
      ['updates_channel:5', 99],
      ['updates_channel:6', 100],
    ] as const) {
      await first.kv.set(name, Buffer.from(String(value)))
    }
    const next = await session()
    expect(Buffer.from((await next.kv.get('updates_pts')) ?? '').toString()).toBe('41')
    expect(Buffer.from((await next.kv.get('updates_date')) ?? '').toString()).toBe('1795000000')
    expect([...(await next.channels())].sort()).toEqual([5, 6])
    await next.kv.delete('updates_channel:5')
    expect(await (await session()).channels()).toEqual([6])
    await next.kv.deleteAll()
    expect(await (await session()).kv.get('updates_pts')).toBeNull()
  })

  test('keep references to messages of a peer, until they are deleted', async () => {
    const first = await session()
    await first.refMessages.store(7, -100, 11)
    await first.refMessages.store(8, -100, 12)
    const next = await session()
    expect(await next.refMessages.getByPeer(7)).toEqual([-100, 11])
    await next.refMessages.delete(-100, [11, 13])
    expect(await next.refMessages.getByPeer(7)).toBeNull()
    expect(await next.refMessages.getByPeer(8)).toEqual([-100, 12])
    await next.refMessages.deleteByPeer(8)
    expect(await next.refMessages.getByPeer(8)).toBeNull()
  })

  test('with different names are separate', async () => {
    await (await session([KEY], `${own}a`)).authKeys.set(2, randomBytes(256))
    expect(await (await session([KEY], `${own}b`)).isThere()).toBe(false)
  })

  test('are encrypted: no part of a key is readable, and a value cannot be moved to another key', async () => {
    const first = await session()
    const key = randomBytes(256)
    await first.authKeys.set(2, key)
    await first.authKeys.setTemp(2, 0, key, 5000)
    await first.kv.set('salt', key)
    const dump = await place.dump()
    expect(dump.length).toBeGreaterThan(400)
    for (const part of [key.subarray(0, 16), key.subarray(120, 136), KEY.subarray(0, 16)]) {
      for (const text of [
        part.toString('hex'),
        part.toString('base64').slice(0, 20),
        part.toString('base64url').slice(0, 20),
      ]) {
        expect(dump.includes(text)).toBe(false)
      }
      expect(dump.includes(part)).toBe(false)
    }
    const { values } = await storage()
    await values.put(`mtproto.${own}`, 'auth:4', await values.get(`mtproto.${own}`, 'auth:2'))
    await expect((await session()).authKeys.get(4)).rejects.toThrow(/not those that were encrypted/)
  })

  test('can be encrypted with a new key, and errors name the missing one', async () => {
    const key = randomBytes(256)
    await (await session()).authKeys.set(2, key)
    const wrong = await session([OTHER])
    await expect(wrong.authKeys.get(2)).rejects.toMatchObject({
      code: 'mtproto.session',
      message: expect.stringMatching(/encrypted with key [0-9a-f]{8}, but these were given: [0-9a-f]{8}/),
    })
    await expect((await session([])).authKeys.get(2)).rejects.toThrow(/no key was given/)
    const both = await session([OTHER, KEY])
    expect(await both.reseal()).toBe(1)
    expect(await both.reseal()).toBe(0)
    expect(Buffer.from((await (await session([OTHER])).authKeys.get(2)) ?? '')).toEqual(key)
    await expect((await session([KEY])).authKeys.get(2)).rejects.toMatchObject({ code: 'mtproto.session' })
  })

  test('that are not encrypted are refused if a key is configured, as anybody could have written them', async () => {
    const key = randomBytes(256)
    await (await session([])).authKeys.set(2, key)
    const sealed = await session()
    const refusal = {
      code: 'mtproto.session',
      message: expect.stringMatching(/auth are not encrypted.*importSession/),
    }
    await expect(sealed.authKeys.get(2)).rejects.toMatchObject(refusal)
    await expect(sealed.reseal()).rejects.toMatchObject(refusal)
    expect(Buffer.from((await (await session([])).authKeys.get(2)) ?? '')).toEqual(key)
  })

  test('survive a restart of the bot, without another login or look-up', async () => {
    const telegram = await startTelegram({ patience: '30s' })
    try {
      const face = await telegram.mtproto()
      const account = telegram.createBot({ username: 'watcher_bot' })
      const alice = telegram.createUser({ firstName: 'Alice', username: 'alice' })
      const start = async (more: Partial<MtprotoOptions> = {}) => {
        const client = mtproto({
          apiId: 1,
          apiHash: 'any',
          botToken: account.token,
          server: face.address,
          storage: await storage(),
          encryptionKeys: [KEY.toString('hex')],
          name: own,
          ...more,
        })
        clients.push(client)
        return client
      }
      const first = await start()
      expect(await first.resolve('alice')).toBe(alice.id)
      await first.close()
      const second = await start()
      expect(await second.resolve('alice')).toBe(alice.id)
      expect(await second.dossier(alice.id)).toMatchObject({ profile: { firstName: 'Alice' } })
      await second.close()
      expect(face.calls('auth.importBotAuthorization')).toBe(1)
      expect(face.calls('contacts.resolveUsername')).toBe(1)
      const wrong = await start({ encryptionKeys: [OTHER.toString('hex')] })
      await expect(wrong.connect()).rejects.toMatchObject({ code: 'mtproto.session' })
      if (kind === 'memory') return
      await expect(start({ encryptionKeys: [] })).rejects.toMatchObject({ code: 'option.invalid' })
    } finally {
      for (const client of clients.splice(0)) await client.close()
      await telegram.close()
    }
  })

  describe('belong to one process at a time:', () => {
    let time: Stage
    /** The number of calls of leases without an answer yet. */
    let open: number
    beforeEach(() => {
      time = new Stage()
      open = 0
    })

    /** The same storage, with its pending calls counted. */
    function counted(made: Storage): Storage {
      const waited = async <T>(answer: T | Promise<T>): Promise<T> => {
        open++
        try {
          return await answer
        } finally {
          open--
        }
      }
      const prepare: Storage['prepare'] = async (plan) => {
        const judge = await made.prepare(plan)
        return {
          evaluate: (...ask) => waited(judge.evaluate(...ask)),
          peek: (...ask) => waited(judge.peek(...ask)),
          settle: (...ask) => waited(judge.settle(...ask)),
        }
      }
      return new Proxy(made, { get: (of, name) => (name === 'prepare' ? prepare : Reflect.get(of, name)) })
    }

    async function worker(frozen = false) {
      const lost: string[] = []
      const onLost = ({ code }: { readonly code: string }) => lost.push(code)
      const { timers } = frozen ? new Stage() : time
      const lease = new SessionLease(counted(await storage(time.clock)), own, {
        clock: time.clock,
        timers,
        onLost,
      })
      return { lease, lost }
    }

    /** Advances the time in steps, and waits for pending calls after each. */
    async function pass(ms: number): Promise<void> {
      for (let passed = 0; passed < ms; passed += 2500) {
        time.advance(2500)
        do await new Promise((done) => setImmediate(done))
        while (open > 0)
        // Lets code that waits for the answers run.
        for (let turn = 0; turn < 4; turn++) await new Promise((done) => setImmediate(done))
      }
    }

    test('the first process keeps the session, and a released session can be taken at once', async () => {
      const [one, other] = [await worker(), await worker()]
      await one.lease.take(0)
      await expect(other.lease.take(0)).rejects.toMatchObject({ code: 'mtproto.session' })
      await pass(60_000)
      await expect(other.lease.take(0)).rejects.toMatchObject({ code: 'mtproto.session' })
      expect(one.lost).toEqual([])
      await one.lease.end()
      await other.lease.take(0)
      expect(other.lost).toEqual([])
      await other.lease.end()
    })

    test('an expired lease can be taken by another process', async () => {
      const [one, other] = [await worker(true), await worker()]
      await one.lease.take(0)
      time.now += 31_000
      await other.lease.take(0)
      await pass(5000)
      expect(other.lost).toEqual([])
      const late = await worker()
      await expect(late.lease.take(0)).rejects.toMatchObject({ code: 'mtproto.session' })
      await other.lease.end()
    })

    test('if a lease is taken twice, one of the holders loses the session and is notified', async () => {
      const [one, thief] = [await worker(), await worker()]
      await one.lease.take(0)
      // The storage loses its counts.
      await opened[0]?.reset(0, ownKey(`mtproto:${own}`))
      await thief.lease.take(0)
      await until('the loss is told', async () => {
        await pass(2500)
        return one.lost.length + thief.lost.length > 0
      })
      await pass(60_000)
      expect([...one.lost, ...thief.lost]).toEqual(['mtproto.session'])
      await one.lease.end()
      await thief.lease.end()
    })
  })
})
