import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import { createTelegram, type Telegram, type TelegramMtproto } from '../../src/telegram/index.js'
import { RawClient } from './raw-client.js'

const PHONE = '491701234567'

let telegram: Telegram
let face: TelegramMtproto
let client: RawClient

beforeEach(async () => {
  telegram = createTelegram()
  face = await telegram.mtproto()
  face.givePhone(telegram.createUser({ firstName: 'Alice' }), PHONE)
  client = await RawClient.connect(face.address.port)
  await client.shakeHands(face.address.publicKey)
})

afterEach(async () => {
  client.close()
  await telegram.close()
})

async function asked(): Promise<string> {
  const settings = { _: 'codeSettings' }
  const request = { _: 'auth.sendCode', phone_number: `+${PHONE}`, api_id: 1, api_hash: '', settings }
  return ((await client.call(request)) as TlObject).phone_code_hash as string
}

async function entered(
  phone_code_hash: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<TlObject> {
  const phone_code = face.codeFor(PHONE)
  return (await client.call({
    _: 'auth.signIn',
    phone_number: PHONE,
    phone_code_hash,
    phone_code,
    ...fields,
  })) as TlObject
}

test('a code logs in once', async () => {
  const hash = await asked()
  expect(await entered(hash)).toMatchObject({ _: 'auth.authorization' })
  expect(await entered(hash)).toMatchObject({ error_message: 'PHONE_CODE_EXPIRED' })
})

test.each<[string, Readonly<Record<string, string>>, string]>([
  ['of another number', { phone_number: '491709999999' }, 'PHONE_CODE_EXPIRED'],
  ['with an unknown hash', { phone_code_hash: 'none' }, 'PHONE_CODE_EXPIRED'],
  ['that is empty', { phone_code: '' }, 'PHONE_CODE_EMPTY'],
  ['that is wrong', { phone_code: '1' }, 'PHONE_CODE_INVALID'],
])('a code %s is refused', async (_, fields, error_message) => {
  expect(await entered(await asked(), fields)).toMatchObject({ error_code: 400, error_message })
})

test('only the latest codes of a client stay valid', async () => {
  const first = await asked()
  for (let n = 0; n < 20; n++) await asked()
  expect(await entered(first)).toMatchObject({ error_message: 'PHONE_CODE_EXPIRED' })
  expect(await entered(await asked())).toMatchObject({ _: 'auth.authorization' })
})
