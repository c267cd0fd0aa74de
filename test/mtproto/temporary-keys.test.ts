import { randomBytes } from 'node:crypto'
import { authKeyId } from '../../src/mtproto/protocol/message.js'
import { known, onServer, server } from './bare-server.js'
import { bind, type Wrong } from './binding.js'
import { RawClient } from './raw-client.js'

const CONFIG = { _: 'help.getConfig' }

onServer()

let permanent: RawClient
let temporary: RawClient

beforeEach(async () => {
  permanent = await known()
  temporary = await known(undefined, { expiresIn: 3600 })
})

const bound = { _: 'value', value: true }
const refused = (error_message: string) => ({ _: 'mt_rpc_error', error_code: 400, error_message })

test('a temporary key cannot be used until it is bound', async () => {
  expect(await temporary.call(CONFIG)).toMatchObject({
    error_code: 401,
    error_message: 'AUTH_KEY_PERM_EMPTY',
  })
})

test('a bound temporary key shares the login of the permanent key', async () => {
  const bot = server.world.accounts.addBot({ username: 'some_bot' })
  const login = {
    _: 'auth.importBotAuthorization',
    flags: 0,
    api_id: 1,
    api_hash: 'x',
    bot_auth_token: bot.token,
  }
  await permanent.call(login)
  expect(await bind(temporary, permanent.authKey)).toMatchObject(bound)
  expect(await temporary.call({ _: 'updates.getState' })).toMatchObject({ _: 'updates.state' })
  // Binding does not start a new session.
  expect(temporary.came.filter(({ object }) => object._ === 'mt_new_session_created')).toHaveLength(1)
  expect(await bind(temporary, permanent.authKey)).toMatchObject(bound)
})

test.each<[string, (made: { other: RawClient }) => Wrong]>([
  ['a wrong nonce', () => ({ inner: { nonce: 1n } })],
  ['a wrong temporary key', () => ({ inner: { temp_auth_key_id: 1n } })],
  ['a wrong permanent key', () => ({ inner: { perm_auth_key_id: 1n } })],
  ['an unknown permanent key', () => ({ outer: { perm_auth_key_id: 1n } })],
  ['a wrong session', () => ({ inner: { temp_session_id: 1n } })],
  ['a wrong expiry', () => ({ inner: { expires_at: 1 } })],
  ['a wrong message id', () => ({ messageId: 4n })],
  ['data encrypted with a wrong key', () => ({ key: randomBytes(256) })],
  ['a changed bit', () => ({ tampered: true })],
])('a temporary key is not bound by %s', async (_, wrong) => {
  const answer = await bind(temporary, permanent.authKey, wrong({ other: permanent }))
  expect(answer).toMatchObject(refused('ENCRYPTED_MESSAGE_INVALID'))
  expect(await temporary.call(CONFIG)).toMatchObject({ error_message: 'AUTH_KEY_PERM_EMPTY' })
})

test('a temporary key cannot be bound with an expiry in the past', async () => {
  const past = { expires_at: Math.floor(Date.now() / 1000) - 1 }
  const answer = await bind(temporary, permanent.authKey, { inner: past, outer: past })
  expect(answer).toMatchObject(refused('EXPIRES_AT_INVALID'))
})

test('a temporary key cannot be bound to a second permanent key, nor a permanent one to any', async () => {
  await bind(temporary, permanent.authKey)
  const other = await RawClient.connect(server.port)
  try {
    await other.shakeHands(server.key.pem)
    expect(await bind(temporary, other.authKey)).toMatchObject(refused('TEMP_AUTH_KEY_ALREADY_BOUND'))
    expect(await bind(other, permanent.authKey)).toMatchObject(refused('TEMP_AUTH_KEY_EMPTY'))
  } finally {
    other.close()
  }
})

test('expired temporary keys, and those of destroyed permanent keys, are unknown', async () => {
  const short = await RawClient.connect(server.port)
  try {
    await short.shakeHands(server.key.pem, { expiresIn: 0 })
    short.send(CONFIG)
    expect(await short.untilError()).toBe(-404)
  } finally {
    short.close()
  }
  await bind(temporary, permanent.authKey)
  permanent.send({ _: 'mt_destroy_auth_key' })
  await permanent.until(({ object }) => object._ === 'mt_destroy_auth_key_ok')
  permanent.send(CONFIG)
  expect(await permanent.untilError()).toBe(-404)
  temporary.send(CONFIG)
  expect(await temporary.untilError()).toBe(-404)
})

test('dropTempAuthKeys drops other temporary keys of the permanent key, except the named ones', async () => {
  const others = await known()
  const made = () => known(undefined, { expiresIn: 600 })
  const [asking, kept, dropped, foreign] = [await made(), await made(), await made(), await made()]
  for (const client of [asking, kept, dropped]) await bind(client, permanent.authKey)
  await bind(foreign, others.authKey)
  const except_auth_keys = [BigInt.asIntN(64, authKeyId(kept.authKey))]
  expect(await asking.call({ _: 'auth.dropTempAuthKeys', except_auth_keys })).toMatchObject({ value: true })
  for (const client of [permanent, asking, kept, foreign]) {
    expect(await client.call(CONFIG)).toMatchObject({ _: 'config' })
  }
  dropped.send(CONFIG)
  expect(await dropped.untilError()).toBe(-404)
})
