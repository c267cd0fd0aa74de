import { randomBytes } from 'node:crypto'
import { abridged, full, intermediate, paddedIntermediate } from '../../src/mtproto/protocol/framing.js'
import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { kept, known, onServer, rpc, server, stranger, world } from './bare-server.js'
import { obfuscated } from './obfuscated.js'
import { plainly, type RawClient, type Speech } from './raw-client.js'

onServer()

const CONFIG = { _: 'help.getConfig' }

describe('all transports on one port', () => {
  const speeches: [string, () => Speech][] = [
    ['abridged', () => ({ framing: abridged, opening: Buffer.from([0xef]) })],
    ['intermediate', () => plainly],
    ['padded intermediate', () => ({ framing: paddedIntermediate, opening: Buffer.from('dddddddd', 'hex') })],
    ['full', () => ({ framing: full(), opening: Buffer.alloc(0) })],
    ['obfuscated abridged', () => obfuscated(0xefefefef, abridged)],
    ['obfuscated intermediate', () => obfuscated(0xeeeeeeee, intermediate)],
    ['obfuscated padded', () => obfuscated(0xdddddddd, paddedIntermediate)],
  ]
  test.each(speeches)('%s', async (_, speech) => {
    const made = await stranger(speech())
    await made.shakeHands(server.key.pem)
    expect(await made.call(CONFIG)).toMatchObject({ _: 'config', this_dc: 2 })
  })

  test('other connections are closed', async () => {
    const made = await stranger({ framing: intermediate, opening: randomBytes(64).fill(0x55, 0, 8) })
    await made.untilClosed()
  })
})

describe('the key exchange', () => {
  test.each([
    ['in its current form', {}],
    ['as before 2021', { legacy: true }],
    ['for a temporary key', { expiresIn: 3600 }],
    ['with the padding from before 2021', { oldPadding: true }],
    ['with the inner data from before 2021', { oldInner: true }],
    ['as before 2021, for a temporary key', { legacy: true, expiresIn: 3600 }],
    ['with the inner data from before 2021, for a temporary key', { oldInner: true, expiresIn: 3600 }],
    ['for a media data centre', { dc: -2 }],
    ['in test mode', { dc: 10_002 }],
  ])('%s', async (_, options) => {
    const made = await stranger()
    await made.shakeHands(server.key.pem, options)
    made.send(CONFIG)
    const { object } = await made.until(({ answers }) => answers !== undefined)
    expect(object._).toBe('expiresIn' in options ? 'mt_rpc_error' : 'config')
  })

  test('an unknown key is answered with error -404', async () => {
    const made = await stranger()
    made.authKey = randomBytes(256)
    made.send(CONFIG)
    expect(await made.untilError()).toBe(-404)
  })
})

describe('a session', () => {
  test('is announced with its salt', async () => {
    const made = await known()
    const id = made.send(CONFIG)
    const { object } = await made.until((each) => each.object._ === 'mt_new_session_created')
    expect(object).toMatchObject({ first_msg_id: BigInt.asIntN(64, id), server_salt: made.salt })
  })

  test.each<[string, (made: RawClient) => bigint, number]>([
    ['is too old', (made) => made.send(CONFIG, { messageId: made.nextId(-400) }), 16],
    ['is from the future', (made) => made.send(CONFIG, { messageId: made.nextId(60) }), 17],
    ['has a message id of a server', (made) => made.send(CONFIG, { messageId: made.nextId() + 1n }), 18],
    [
      'makes a request with the sequence number of a message without content',
      (made) => made.send(CONFIG, { content: false }),
      35,
    ],
  ])('refuses a message that %s', async (_, send, code) => {
    const made = await known()
    const id = send(made)
    const { object } = await made.until((each) => each.object._ === 'mt_bad_msg_notification')
    expect(object).toMatchObject({ bad_msg_id: BigInt.asIntN(64, id), error_code: code })
  })

  test('answers an old salt with the current one, which is accepted then', async () => {
    const made = await known()
    for (const key of server.keys.all()) key.rotate(server.now())
    const id = made.send(CONFIG)
    const { object } = await made.until((each) => each.object._ === 'mt_bad_server_salt')
    expect(object).toMatchObject({ bad_msg_id: BigInt.asIntN(64, id), error_code: 48 })
    made.salt = object.new_server_salt as bigint
    expect(await made.call(CONFIG)).toMatchObject({ _: 'config' })
  })

  test('executes a message once, and repeats its answer', async () => {
    const made = await known()
    const id = made.send(CONFIG)
    const first = await made.until(({ answers }) => answers === id)
    made.send(CONFIG, { messageId: id })
    await made.until((each) => each.answers === id && each !== first && each.messageId === first.messageId)
    expect(rpc.counts.get('help.getConfig')).toBe(1)
  })

  test('accepts containers', async () => {
    const made = await known()
    const { ids } = made.sendContainer([CONFIG, { _: 'help.getNearestDc' }, { _: 'mt_ping', ping_id: 7n }])
    await made.until((each) => each.answers === ids[0])
    expect((await made.until((each) => each.answers === ids[1])).object._).toBe('nearestDc')
    expect((await made.until((each) => each.object._ === 'mt_pong')).object).toMatchObject({ ping_id: 7n })
  })

  test('reports which messages were received', async () => {
    const made = await known()
    const id = made.send(CONFIG)
    await made.until(({ answers }) => answers === id)
    // An id between two received ones. The next id by the clock may be only 4 higher, so one is chosen here.
    const lost = id + 400n
    const asked = { _: 'mt_msgs_state_req', msg_ids: [BigInt.asIntN(64, id), BigInt.asIntN(64, lost)] }
    made.send(asked, { messageId: lost + 4n })
    const { object } = await made.until((each) => each.object._ === 'mt_msgs_state_info')
    expect([...(object.info as Buffer)]).toEqual([4 | 8 | 32 | 64, 2])
  })

  test('returns future salts', async () => {
    const made = await known()
    made.send({ _: 'mt_get_future_salts', num: 4 })
    const { object } = await made.until((each) => each.object._ === 'mt_future_salts')
    const salts = object.salts as readonly TlObject[]
    expect(salts).toHaveLength(4)
    expect(salts[0]?.salt).toBe(made.salt)
    for (let nth = 1; nth < 4; nth++) expect(salts[nth]?.valid_since).toBe(salts[nth - 1]?.valid_until)
  })

  test('repeats unacknowledged answers on the next connection', async () => {
    const made = await known()
    const id = made.send(CONFIG)
    const first = await made.until(({ answers }) => answers === id)
    made.close()
    const next = await made.again(server.port)
    kept(next)
    next.send({ _: 'mt_ping', ping_id: 1n })
    expect((await next.until(({ answers }) => answers === id)).messageId).toBe(first.messageId)
    next.send({ _: 'mt_msgs_ack', msg_ids: [BigInt.asIntN(64, first.messageId)] }, { content: false })
    next.send({ _: 'mt_ping', ping_id: 2n })
    await next.until(({ object }) => object._ === 'mt_pong' && object.ping_id === 2n)
    const last = await next.again(server.port)
    kept(last)
    last.send({ _: 'mt_ping', ping_id: 3n })
    await last.until(({ object }) => object._ === 'mt_pong' && object.ping_id === 3n)
    expect(last.came.some(({ answers }) => answers === id)).toBe(false)
  })

  test('cannot be destroyed with another auth key', async () => {
    const [made, other] = [await known(), await known()]
    made.send(CONFIG)
    await made.until(({ answers }) => answers !== undefined)
    made.send({ _: 'mt_destroy_session', session_id: other.sessionId })
    expect((await made.until((each) => each.object._.startsWith('mt_destroy_session'))).object._).toBe(
      'mt_destroy_session_none',
    )
  })
})

describe('methods', () => {
  const errorOf = async (asked: Promise<unknown>) => (await asked) as TlObject

  test('that are unknown are refused by name', async () => {
    const made = await known()
    const bot = world.accounts.addBot({ username: 'some_bot' })
    await made.call({
      _: 'auth.importBotAuthorization',
      flags: 0,
      api_id: 1,
      api_hash: 'x',
      bot_auth_token: bot.token,
    })
    expect(await errorOf(made.call({ _: 'messages.getAllStickers', hash: 0n }))).toMatchObject({
      error_code: 400,
      error_message: 'METHOD_NOT_IMPLEMENTED: messages.getAllStickers',
    })
  })

  test('require a login', async () => {
    const made = await known()
    expect(await errorOf(made.call({ _: 'updates.getState' }))).toMatchObject({
      error_message: 'AUTH_KEY_UNREGISTERED',
    })
  })

  test('for logging in refuse a wrong token', async () => {
    const made = await known()
    const wrong = {
      _: 'auth.importBotAuthorization',
      flags: 0,
      api_id: 1,
      api_hash: 'x',
      bot_auth_token: '1:no',
    }
    expect(await errorOf(made.call(wrong))).toMatchObject({ error_message: 'ACCESS_TOKEN_INVALID' })
  })
})
