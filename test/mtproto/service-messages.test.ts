import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { client, kept, onClient, server, world } from './bare-server.js'
import type { Came, RawClient } from './raw-client.js'

// https://core.telegram.org/mtproto/service_messages and https://core.telegram.org/mtproto/service_messages_about_messages, in this
// order. Tests about ids of messages are in server.test.ts.

const CONFIG = { _: 'help.getConfig' }
const PING = { _: 'mt_ping', ping_id: 7n }
const signed = (id: bigint) => BigInt.asIntN(64, id)

onClient()

const named = (name: string) => client.until(({ object }) => object._ === name)

async function complaint(id: bigint): Promise<unknown> {
  const isOf = ({ object }: Came) =>
    object._ === 'mt_bad_msg_notification' && object.bad_msg_id === signed(id)
  return (await client.until(isOf)).object.error_code
}

/** Holds the next call of help.getNearestDc back until the returned function is called. */
function held(): () => void {
  let release: () => void = () => undefined
  const holding = new Promise<void>((done) => {
    release = done
  })
  const run = server.run.bind(server)
  server.run = async (session, request, id) => {
    if (request._ === 'help.getNearestDc') await holding
    return run(session, request, id)
  }
  return release
}

describe('a received message', () => {
  test('is acknowledged if its answer takes time', async () => {
    const release = held()
    const id = client.send({ _: 'help.getNearestDc' })
    expect((await named('mt_msgs_ack')).object).toMatchObject({ msg_ids: [signed(id)] })
    release()
    await client.until(({ answers }) => answers === id)
  })

  test('is not acknowledged if it is answered at once', async () => {
    await client.call(CONFIG)
    await client.call(CONFIG)
    expect(client.came.some(({ object }) => object._ === 'mt_msgs_ack')).toBe(false)
  })

  test('has a state of several bits', async () => {
    const release = held()
    const [done, known, running] = [
      client.send(CONFIG),
      client.send(CONFIG),
      client.send({ _: 'help.getNearestDc' }),
    ]
    const { messageId } = await client.until(({ answers }) => answers === known)
    await client.until(({ answers }) => answers === done)
    await named('mt_msgs_ack')
    const acknowledging = client.send({ _: 'mt_msgs_ack', msg_ids: [signed(messageId)] }, { content: false })
    const [skipped, asking] = [client.nextId(), client.nextId()]
    const ids = [done, known, running, acknowledging, skipped, asking + 4000n].map(signed)
    client.send({ _: 'mt_msgs_state_req', msg_ids: ids }, { messageId: asking })
    const { object } = await named('mt_msgs_state_info')
    expect(object.req_msg_id).toBe(signed(asking))
    // 4 received, 8 acknowledged, 16 needs no acknowledgement, 32 processed, 64 answered, 128 answer acknowledged; 2 not received, 3 too new.
    expect([...(object.info as Buffer)]).toEqual([
      4 + 8 + 32 + 64,
      4 + 8 + 32 + 64 + 128,
      4 + 8 + 32,
      4 + 16,
      2,
      3,
    ])
    release()
  })
})

describe('a sent message', () => {
  test('is repeated on demand; if one id is unknown, the states of all are returned', async () => {
    const id = client.send(CONFIG)
    const first = await client.until(({ answers }) => answers === id)
    client.send({ _: 'mt_msg_resend_req', msg_ids: [signed(first.messageId)] })
    await client.until((each) => each.messageId === first.messageId && each !== first)
    const asking = client.send({ _: 'mt_msg_resend_req', msg_ids: [signed(first.messageId), 4n] })
    const { object } = await client.until((each) => each.object.req_msg_id === signed(asking))
    expect(object._).toBe('mt_msgs_state_info')
    expect((object.info as Buffer)[1]).not.toBe(4)
  })

  test('is repeated by the id of its request', async () => {
    const id = client.send(CONFIG)
    const first = await client.until(({ answers }) => answers === id)
    client.send({ _: 'mt_msg_resend_ans_req', msg_ids: [signed(id)] })
    await client.until((each) => each.answers === id && each !== first)
    const asking = client.send({ _: 'mt_msg_resend_ans_req', msg_ids: [signed(id + 4n)] })
    await client.until((each) => each.object.req_msg_id === signed(asking))
  })

  test('counts as received, or is repeated, if the client reports its state', async () => {
    const [one, two] = [client.send(CONFIG), client.send(CONFIG)]
    const came = [
      await client.until(({ answers }) => answers === one),
      await client.until(({ answers }) => answers === two),
    ] as const
    const msg_ids = came.map(({ messageId }) => signed(messageId))
    client.send({ _: 'mt_msgs_all_info', msg_ids, info: Buffer.from([4, 2]) })
    await client.until((each) => each.messageId === came[1].messageId && each !== came[1])
    expect(client.came.filter(({ messageId }) => messageId === came[0].messageId)).toHaveLength(1)
    const asking = client.send({ _: 'mt_msg_resend_req', msg_ids: [msg_ids[0] as bigint] })
    await client.until((each) => each.object.req_msg_id === signed(asking))
  })

  test('is announced instead of repeated if it is long, and sent when the client asks for it', async () => {
    await client.call(CONFIG)
    // A configuration would be compressed to less.
    server.run = async () => ({ _: 'mt_rpc_error', error_code: 400, error_message: noise(4000) })
    const long = client.send(CONFIG)
    const { messageId } = await client.until(({ answers }) => answers === long)
    client.send(CONFIG, { messageId: long, seqNo: 3 })
    const { object } = await named('mt_msg_detailed_info')
    expect(object).toMatchObject({ msg_id: signed(long), answer_msg_id: signed(messageId), status: 4 })
    expect(object.bytes).toBeGreaterThan(1024)
    client.send({ _: 'mt_msg_resend_req', msg_ids: [object.answer_msg_id as bigint] })
    await client.until((each) => each.messageId === messageId && each.object._ === 'mt_rpc_error')
  })
})

describe('an unwanted answer', () => {
  const drop = async (id: bigint) => client.call({ _: 'mt_rpc_drop_answer', req_msg_id: signed(id) })

  test('is dropped while the request runs', async () => {
    const release = held()
    const id = client.send({ _: 'help.getNearestDc' })
    expect(await drop(id)).toMatchObject({ _: 'mt_rpc_answer_dropped_running' })
    release()
    await client.call(CONFIG)
    expect(client.came.some(({ answers }) => answers === id)).toBe(false)
  })

  test('is dropped after it was made, unless it was acknowledged', async () => {
    const id = client.send(CONFIG)
    const { messageId, seqNo } = await client.until(({ answers }) => answers === id)
    expect(await drop(id)).toMatchObject({
      _: 'mt_rpc_answer_dropped',
      msg_id: signed(messageId),
      seq_no: seqNo,
      bytes: expect.any(Number),
    })
    expect(await drop(id)).toMatchObject({ _: 'mt_rpc_answer_unknown' })
    expect(await drop(4n)).toMatchObject({ _: 'mt_rpc_answer_unknown' })
  })
})

describe('pings', () => {
  test('are answered with their id and the id of their message', async () => {
    const id = client.send(PING)
    expect((await named('mt_pong')).object).toMatchObject({ msg_id: signed(id), ping_id: 7n })
  })

  test('close the connection after the delay, unless another one arrives in time', async () => {
    client.send({ _: 'mt_ping_delay_disconnect', ping_id: 1n, disconnect_delay: 0 })
    await client.untilClosed()
    const next = kept(await client.again(server.port))
    next.send({ _: 'mt_ping_delay_disconnect', ping_id: 1n, disconnect_delay: 75 })
    await next.until(({ object }) => object._ === 'mt_pong')
    next.send({ _: 'mt_ping_delay_disconnect', ping_id: 2n, disconnect_delay: 0 })
    await next.untilClosed()
  })
})

describe('sessions', () => {
  test('have unique ids, and are announced again until the client acknowledges it', async () => {
    await client.call(CONFIG)
    const again = kept(await client.again(server.port))
    await again.call(CONFIG)
    expect(again.came.some(({ object }) => object._ === 'mt_new_session_created')).toBe(true) // The announcement was not acknowledged yet.
    const other = kept(await client.again(server.port))
    other.sessionId += 1n
    await other.call(CONFIG)
    const idOf = (made: RawClient) =>
      made.came.find(({ object }) => object._ === 'mt_new_session_created')?.object.unique_id
    expect(idOf(again)).toBe(idOf(client))
    expect(idOf(other)).not.toBe(idOf(client))
  })

  test('end when another session of the same key destroys them; none can destroy itself', async () => {
    await client.call(CONFIG)
    const other = kept(await client.again(server.port))
    other.sessionId += 1n
    await other.call(CONFIG)
    client.send({ _: 'mt_destroy_session', session_id: other.sessionId })
    expect((await named('mt_destroy_session_ok')).object).toMatchObject({ session_id: other.sessionId })
    client.send({ _: 'mt_destroy_session', session_id: other.sessionId })
    await named('mt_destroy_session_none')
    client.came.length = 0
    client.send({ _: 'mt_destroy_session', session_id: client.sessionId })
    expect((await named('mt_destroy_session_none')).object).toMatchObject({ session_id: client.sessionId })
    expect(await client.call(CONFIG)).toMatchObject({ _: 'config' })
  })

  test('do not move to a connection that replays a message', async () => {
    const bot = world.accounts.addBot({ username: 'some_bot' })
    const id = client.send(CONFIG)
    await client.until(({ answers }) => answers === id)
    // An eavesdropper replays the message on another connection.
    const thief = kept(await client.again(server.port))
    thief.send(CONFIG, { messageId: id, seqNo: 1 })
    await thief.until(({ answers }) => answers === id)
    const login = {
      _: 'auth.importBotAuthorization',
      flags: 0,
      api_id: 1,
      api_hash: 'x',
      bot_auth_token: bot.token,
    }
    await client.call(login)
    expect(thief.came.filter(({ object }) => object._ === 'auth.authorization')).toHaveLength(0)
  })
})

describe('salts', () => {
  const rotated = async () => {
    const id = client.send(CONFIG)
    return (await client.until(({ object, answers }) => answers === id || object.bad_msg_id === signed(id)))
      .object
  }

  test('are valid for half an hour, and accepted for another half', async () => {
    await client.call(CONFIG)
    world.clock.advance('31m')
    const later = (made: RawClient, seconds: number) => made.send(CONFIG, { messageId: made.nextId(seconds) })
    const id = later(client, 31 * 60)
    await client.until(({ answers }) => answers === id)
    world.clock.advance('30m')
    const late = later(client, 61 * 60)
    const { object } = await client.until((each) => each.object.bad_msg_id === signed(late))
    expect(object).toMatchObject({ _: 'mt_bad_server_salt', error_code: 48 })
    client.salt = object.new_server_salt as bigint
    const good = later(client, 61 * 60 + 1)
    expect((await client.until(({ answers }) => answers === good)).object._).toBe('config')
  })

  test('of the future are returned, at most 64, in sequence, and accepted once they are valid', async () => {
    const ask = async (num: number) => {
      const id = client.send({ _: 'mt_get_future_salts', num })
      const { object } = await client.until((each) => each.object.req_msg_id === signed(id))
      return object.salts as readonly TlObject[]
    }
    expect(await ask(1000)).toHaveLength(64)
    expect(await ask(0)).toHaveLength(1)
    const [, next] = await ask(2)
    const own = client.salt
    client.salt = next?.salt as bigint
    expect(await rotated()).toMatchObject({ _: 'mt_bad_server_salt', new_server_salt: own })
    world.clock.advance('31m')
    const id = client.send(CONFIG, { messageId: client.nextId(31 * 60) })
    expect((await client.until(({ answers }) => answers === id)).object._).toBe('config')
  })
})

describe('invokeAfterMsg', () => {
  const following = (id: bigint, query: TlObject) => ({ _: 'invokeAfterMsg', msg_id: signed(id), query })

  test('makes a request wait for earlier ones', async () => {
    const release = held()
    const first = client.send({ _: 'help.getNearestDc' })
    const second = client.send(following(first, CONFIG))
    const all = { _: 'invokeAfterMsgs', msg_ids: [signed(first), signed(second)], query: CONFIG }
    const third = client.send(all)
    await client.call({ _: 'help.getCdnConfig' })
    expect(client.came.some(({ answers }) => answers === second || answers === third)).toBe(false)
    release()
    await client.until(({ answers }) => answers === third)
    const order = client.came.map(({ answers }) => answers).filter((id) => id !== undefined)
    expect(order.slice(-3)).toEqual([first, second, third])
  })

  test('fails if the earlier request failed', async () => {
    const first = client.send({ _: 'updates.getState' })
    expect(await client.call(following(first, CONFIG))).toMatchObject({ error_message: 'MSG_WAIT_FAILED' })
  })

  test('fails for an unknown request, or if a request would wait for itself', async () => {
    expect(await client.call(following(4n, CONFIG))).toMatchObject({ error_message: 'MSG_WAIT_TIMEOUT' })
    const own = client.nextId()
    client.send(following(own, CONFIG), { messageId: own })
    const { object } = await client.until(({ answers }) => answers === own)
    expect(object).toMatchObject({ error_message: 'MSG_WAIT_TIMEOUT' })
  })
})

describe('misplaced messages', () => {
  const WAIT = { _: 'mt_http_wait', max_delay: 0, wait_after: 0, max_wait: 25_000 }

  test('http_wait must have no content, and does not delay anything', async () => {
    expect(await complaint(client.send(WAIT))).toBe(34)
    client.send(WAIT, { content: false })
    expect(await client.call(CONFIG)).toMatchObject({ _: 'config' })
  })

  test('a request with an even sequence number is refused, and an unknown constructor is answered with an error', async () => {
    expect(await complaint(client.send(CONFIG, { content: false }))).toBe(35)
    const id = client.sendBody(Buffer.from('11223344', 'hex'))
    const { object } = await client.until(({ answers }) => answers === id)
    expect(object).toMatchObject({
      error_code: 400,
      error_message: expect.stringMatching(/INPUT_FETCH_ERROR.*#44332211/),
    })
  })
})

test('a quick acknowledgement contains the first bits of the hash of msg_key', async () => {
  client.send(CONFIG, { quickAck: true })
  await named('config')
  expect(client.tokens.came).toHaveLength(1)
  expect(client.tokens.came).toEqual(client.tokens.due)
})

const begun = () => client.came.filter(({ object }) => object._ === 'mt_new_session_created')

test('a new session is announced once', async () => {
  await client.call({ _: 'help.getConfig' })
  await client.call({ _: 'help.getNearestDc' })
  expect(begun()).toHaveLength(1)
})

test('a session that begins with a container begins with its first message', async () => {
  const { ids } = client.sendContainer([{ _: 'help.getConfig' }, { _: 'help.getNearestDc' }])
  await client.until(({ answers }) => answers === ids[1])
  expect(begun().map(({ object }) => object.first_msg_id)).toEqual([ids[0]])
})

function noise(length: number): string {
  let [text, seed] = ['', 1]
  while (text.length < length) {
    seed = (seed * 16807) % 2147483647
    text += seed.toString(36)
  }
  return text.slice(0, length)
}
