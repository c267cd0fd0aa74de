import { Bot } from 'grammy'
import { ageOf } from '../../src/mtproto/client/dossier.js'
import type { MtprotoClient } from '../../src/mtproto/index.js'
import { sentinel } from '../../src/sentinel.js'
import type { Person } from '../../src/telegram/index.js'
import { account, alice, face, client as made, onStage, telegram } from './stage.js'

const DAY = 86_400_000
const NOW = Date.UTC(2026, 10, 21)

describe('an age', () => {
  test('is unknown without any evidence', () => {
    expect(ageOf(NOW, undefined)).toEqual({})
    expect(ageOf(NOW, undefined, { registrationMonth: '13.2026', nameChangeDate: 0 })).toEqual({})
  })

  test('is at least the age of the oldest evidence', () => {
    const settings = { nameChangeDate: (NOW - 9 * DAY) / 1000, photoChangeDate: (NOW - 2 * DAY) / 1000 }
    expect(ageOf(NOW, NOW - 5 * DAY, settings)).toEqual({ atLeast: 9 * DAY, evidence: 'name change' })
    expect(ageOf(NOW, NOW - 10 * DAY, settings)).toEqual({ atLeast: 10 * DAY, evidence: 'photo' })
  })

  test('is limited in both directions by the month of registration, with a day for time zones', () => {
    expect(ageOf(NOW, undefined, { registrationMonth: '11.2026' })).toEqual({
      atLeast: 0,
      evidence: 'registration',
      atMost: 21 * DAY,
      registered: '2026-11',
    })
    expect(ageOf(NOW, undefined, { registrationMonth: '09.2026' })).toEqual({
      atLeast: (20 + 31 - 1) * DAY,
      evidence: 'registration',
      atMost: (20 + 31 + 30 + 1) * DAY,
      registered: '2026-09',
    })
  })
})

describe('with a server', () => {
  onStage()
  let mallory: Person
  let client: MtprotoClient

  beforeEach(() => {
    mallory = telegram.createUser({ firstName: 'Mallory' })
    client = made()
  })

  const thisMonth = (): string => {
    const now = new Date()
    return `${String(now.getUTCMonth() + 1).padStart(2, '0')}.${now.getUTCFullYear()}`
  }

  test("a dossier contains Telegram's marks, the restrictions and the month of registration", async () => {
    const restriction = { platform: 'all', reason: 'terms', text: 'Not shown.' }
    face.repute(mallory, { isScam: true, isFake: true, restrictions: [restriction], registered: thisMonth() })
    const dossier = await client.dossier(mallory.id)
    expect(dossier).toMatchObject({
      profile: { isScam: true, isFake: true, isRestricted: true },
      restrictions: [restriction],
      age: { evidence: 'registration', atMost: expect.any(Number) },
    })
    expect(dossier.age.atMost).toBeLessThan(33 * DAY)
    expect(await client.dossier(alice.id)).toMatchObject({
      profile: { isScam: false, isFake: false, isRestricted: false },
      restrictions: [],
      age: {},
    })
  })

  test('the guard refuses users by their dossiers, admits others, and fetches each dossier once', async () => {
    face.repute(mallory, { registered: thisMonth() })
    const guard = sentinel({
      auth: {
        registration: 'auto',
        dossier: client,
        minAccountAge: '90d',
        denyScam: true,
        dossierWait: '100s',
        timeout: '90s',
      },
    })
    const bot = new Bot(account.token, account.config)
    const reached: unknown[] = []
    bot.use(guard, (ctx) => reached.push(ctx.msg?.text))
    const running = bot.start()
    await mallory.to(account).sends('from Mallory')
    await alice.to(account).sends('from Alice')
    await mallory.to(account).sends('again')
    await alice.to(account).sends('once more')
    await telegram.settled()
    await bot.stop()
    await running
    await guard.close()
    expect(reached).toEqual(['from Alice', 'once more'])
    expect(face.calls('users.getFullUser')).toBe(2)
  })

  test('users without a dossier are admitted, and everybody while Telegram refuses calls', async () => {
    const guard = sentinel({
      auth: { registration: 'auto', dossier: client, denyScam: true, dossierWait: '100s', timeout: '90s' },
    })
    const errors: unknown[] = []
    guard.on('error', ({ during }) => errors.push(during))
    const bot = new Bot(account.token, account.config)
    const reached: unknown[] = []
    bot.use(guard, (ctx) => reached.push(ctx.msg?.text))
    const running = bot.start()
    await client.connect()
    face.repute(mallory, { isScam: true })
    face.fail('users.getUsers', 400, 'USER_ID_INVALID')
    await mallory.to(account).sends('not told of')
    await telegram.settled()
    face.fail('users.getUsers', 420, 'FLOOD_WAIT_3600')
    await alice.to(account).sends('too many calls')
    await telegram.settled()
    await bot.stop()
    await running
    await guard.close()
    expect(reached).toEqual(['not told of', 'too many calls'])
    expect(errors).toEqual(['auth.dossier'])
  })
})
