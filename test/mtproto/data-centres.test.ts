import { Long } from '@mtcute/core'
import { memory } from '../../src/storage/memory/memory.js'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'
import { account, alice, face, guest, onStage } from './stage.js'

onStage({ others: [1, 4] })

const LOGIN = { phone: '+491701234567', code: () => face.codeFor('+491701234567') }

test('all data centres are listed, and which one was contacted', async () => {
  const raw = await guest({ botToken: account.token, server: face.addressOf(4) }).raw()
  face.move(account, 4)
  const config = await raw.call({ _: 'help.getConfig' })
  expect(config.thisDc).toBe(2)
  expect(config.dcOptions.map(({ id, port }) => [id, port])).toEqual(
    [2, 1, 4].map((dc) => [dc, face.addressOf(dc).port]),
  )
})

test('a bot is sent to its data centre (USER_MIGRATE_X), where its session starts the next time', async () => {
  face.move(account, 4)
  const storage = memory()
  const first = guest({ botToken: account.token, storage })
  expect(await first.connect()).toMatchObject({ id: account.id })
  expect(await (await first.raw()).call({ _: 'help.getConfig' })).toMatchObject({ thisDc: 4 })
  await first.close()
  expect(await guest({ botToken: account.token, storage }).connect()).toMatchObject({ id: account.id })
  expect(face.calls('auth.importBotAuthorization')).toBe(2)
})

test('a person is sent to the data centre of their number (PHONE_MIGRATE_X), with code and password', async () => {
  face.givePhone(alice, LOGIN.phone, 'correct horse')
  face.move(alice, 1)
  const person = guest()
  expect(await person.logIn({ ...LOGIN, password: () => 'correct horse' })).toMatchObject({ id: alice.id })
  expect(await (await person.raw()).call({ _: 'help.getConfig' })).toMatchObject({ thisDc: 1 })
  expect(face.calls('auth.sendCode')).toBe(2)
})

test('a number without an account is sent to the nearest data centre (NETWORK_MIGRATE_X)', async () => {
  face.sendNewcomersTo(4)
  const raw = await guest().raw()
  await raw.sendCode({ phone: LOGIN.phone })
  expect(await raw.call({ _: 'help.getNearestDc' })).toMatchObject({ thisDc: 4, nearestDc: 4 })
})

test('a person who is moved while logged in has to log in again, and is sent to the new data centre', async () => {
  face.givePhone(alice, LOGIN.phone)
  const person = guest()
  await person.logIn(LOGIN)
  face.move(alice, 4)
  const raw = await person.raw()
  await expect(raw.call({ _: 'updates.getState' })).rejects.toMatchObject({ text: 'AUTH_KEY_UNREGISTERED' })
  expect(await person.logIn(LOGIN)).toMatchObject({ id: alice.id })
  expect(await raw.call({ _: 'help.getNearestDc' })).toMatchObject({ thisDc: 4 })
})

test('another data centre refuses an account (AUTH_KEY_UNREGISTERED) until its authorization is imported', async () => {
  const raw = await guest({ botToken: account.token }).raw()
  await raw.call({ _: 'updates.getState' })
  // mtcute exports and imports the authorization when the key is not registered; then the account is sent to its own data centre.
  await expect(raw.call({ _: 'updates.getState' }, { dcId: 4 })).rejects.toMatchObject({
    text: 'USER_MIGRATE_%d',
  })
  expect(face.calls('auth.exportAuthorization')).toBe(1)
  expect(face.calls('auth.importAuthorization')).toBe(1)
  await expect(raw.call({ _: 'auth.exportAuthorization', dcId: 9 })).rejects.toMatchObject({
    text: 'DC_ID_INVALID',
  })
  await expect(
    raw.call(
      { _: 'auth.importAuthorization', id: Long.fromNumber(account.id), bytes: new Uint8Array(32) },
      { dcId: 1 },
    ),
  ).rejects.toMatchObject({ text: 'AUTH_BYTES_INVALID' })
})

test('an exported authorization is valid once, and only at its data centre', async () => {
  const { bytes, id } = await (await guest({ botToken: account.token }).raw()).call({
    _: 'auth.exportAuthorization',
    dcId: 4,
  })
  const visitor = (dc: number) => guest({ server: face.addressOf(dc) }).raw()
  const enter = { _: 'auth.importAuthorization', id, bytes } as const
  await expect((await visitor(1)).call(enter)).rejects.toMatchObject({ text: 'AUTH_BYTES_INVALID' })
  await expect((await visitor(4)).call(enter)).rejects.toMatchObject({ text: 'AUTH_BYTES_INVALID' })
})

test.each<[string, Parameters<Telegram['mtproto']>[0]]>([
  ['an invalid number', { dc: 0 }],
  ['a duplicate number', { dc: 2, others: [2] }],
])('%s is refused', async (_, options) => {
  const other = await startTelegram({ patience: '30s' })
  try {
    await expect(other.mtproto(options)).rejects.toMatchObject({ code: 'telegram.invalid' })
  } finally {
    await other.close()
  }
  expect(() => face.addressOf(7)).toThrow(/no data centre 7, but 2, 1, 4/)
})
