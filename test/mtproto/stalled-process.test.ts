import { jest } from '@jest/globals'
import { Bot } from 'grammy'
import { memory } from '../../src/storage/memory/memory.js'
import { until } from '../servers/until.js'
import { account, alice, client, face, onStage } from './stage.js'

onStage()

afterEach(() => jest.restoreAllMocks())

/** A client that is bridged to a bot, and has handled one message. */
async function bridged() {
  const heard: string[] = []
  const errors: unknown[] = []
  const bot = new Bot(account.token, account.config)
  bot.on('message:text', ({ msg }) => void heard.push(msg.text))
  const made = client({ storage: memory() })
  made.onError((error) => errors.push(error))
  await made.bridge(bot)
  await alice.to(account).sends('before')
  await until('the first message was heard', () => heard.length === 1)
  return { made, heard, errors }
}

/** As after half a minute without a processor: the clock has gone on, and no timer has run yet. */
function standStill(): void {
  const now = Date.now
  jest.spyOn(Date, 'now').mockImplementation(() => now() + 31_000)
}

const LOST = {
  code: 'mtproto.session',
  message: expect.stringMatching(/was lost: .* Create another client\.$/),
}

test('a process that stood still handles no update of a session that another process may use', async () => {
  const { made, heard, errors } = await bridged()
  standStill()
  await alice.to(account).sends('meanwhile')
  await until('the loss is reported', () => errors.length > 0)
  await made.close()
  expect(errors).toMatchObject([LOST])
  expect(heard).toEqual(['before'])
})

test('a process that stood still makes no call with such a session', async () => {
  const { made, errors } = await bridged()
  standStill()
  await expect(made.dossier(alice.id)).rejects.toMatchObject({
    code: 'mtproto.session',
    message: expect.stringContaining('Create another one'),
  })
  expect(errors).toMatchObject([LOST])
  await expect(made.connect()).rejects.toMatchObject({ code: 'mtproto.session' })
})

test.each([
  ['to repeat it after a FLOOD_WAIT', 420, 'FLOOD_WAIT_1'],
  ['to repeat it after an error of Telegram', 500, 'RPC_CALL_FAIL'],
])('a process that stood still while it waited %s does not make the call', async (_, code, name) => {
  const errors: unknown[] = []
  const onWait = jest.fn()
  const made = client({ storage: memory(), onWait })
  made.onError((error) => errors.push(error))
  await made.connect()
  const before = face.calls('users.getUsers')
  face.fail('users.getUsers', code, name)
  const refused = expect(made.connect()).rejects.toMatchObject({ code: 'mtproto.session' })
  await until('the first call was made', () => face.calls('users.getUsers') > before)
  // Otherwise the half minute would count as a part of the wait, which is longer than the client is prepared to wait.
  if (code === 420) await until('it waits', () => onWait.mock.calls.length > 0)
  standStill()
  await refused
  expect(face.calls('users.getUsers') - before).toBe(1)
  expect(errors).toMatchObject([LOST])
})
