import { Bot } from 'grammy'
import { SentinelError } from '../../src/core/errors.js'
import { userKey } from '../../src/core/subject.js'
import type { DossierFacts, DossierSource } from '../../src/middleware/auth/dossier-source.js'
import { SUSPECT } from '../../src/middleware/auth/marks.js'
import { type AuthOptions, auth } from '../../src/middleware/auth.js'
import { sentinel } from '../../src/sentinel.js'
import { memory } from '../../src/storage/memory/memory.js'
import { type Rig, rig, Stage } from './rig.js'

const DAY = 86_400_000

let on: Rig
let stage: Stage
beforeEach(() => {
  stage = new Stage()
})
afterEach(() => on.stop())

/** Returns the answers of the test, and records whom it was asked about. */
class Desk implements DossierSource {
  readonly asked: number[] = []
  tells: (user: number) => DossierFacts | Promise<DossierFacts> = () => ({})

  async dossier(user: number): Promise<DossierFacts> {
    this.asked.push(user)
    return this.tells(user)
  }
}

function guarded(desk: DossierSource, options: Partial<AuthOptions> = {}, more: object = {}) {
  const storage = memory({ clock: stage.clock })
  return sentinel({
    storage,
    clock: stage.clock,
    timers: stage.timers,
    throttle: false,
    auth: { registration: 'auto', dossier: desk, denyScam: true, ...options },
    ...more,
  })
}

const says = async (...texts: string[]): Promise<void> => {
  for (const text of texts) await on.alice.to(on.account).sends(text)
  await on.settled()
}

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((go) => setImmediate(go))
}

test('a user whom Telegram marks as a fraud passes once during the look-up, and never again', async () => {
  const desk = new Desk()
  desk.tells = () => ({ profile: { isScam: true } })
  const guard = guarded(desk)
  const denied: unknown[] = []
  const told: unknown[] = []
  guard.on('denied', ({ verdict: { guard: by, limit, reason, note } }) =>
    denied.push([by, limit, reason, note]),
  )
  guard.on('suspected', ({ key, reason }) => told.push([key, reason]))
  on = await rig(guard)
  on.start()
  await says('one')
  await until(() => told.length === 1)
  await says('two')
  expect(on.reached).toEqual(['one'])
  expect(denied).toEqual([['auth', 'dossier', 'suspect', 'scam']])
  expect(told).toEqual([[userKey(on.alice.id), 'scam']])
  expect(desk.asked).toEqual([on.alice.id])
  await on.alice.hears('Your account cannot use this bot yet.')
})

test('with a wait for the dossier, not even the first update passes', async () => {
  const desk = new Desk()
  desk.tells = () => ({ profile: { isFake: true } })
  on = await rig(guarded(desk, { denyFake: true, dossierWait: '2s' }))
  on.start()
  await says('one')
  expect(on.reached).toEqual([])
})

test('a wait that takes too long ends, and the update passes', async () => {
  const desk = new Desk()
  let tell: (facts: DossierFacts) => void = () => undefined
  desk.tells = () => new Promise((resolve) => (tell = resolve))
  const guard = guarded(desk, { dossierWait: '2s' })
  on = await rig(guard)
  on.start()
  await on.alice.to(on.account).sends('one')
  await until(() => desk.asked.length === 1)
  await new Promise((go) => setImmediate(go))
  stage.advance(2000)
  await on.settled()
  expect(on.reached).toEqual(['one'])
  const suspected = new Promise<void>((resolve) => guard.on('suspected', () => resolve()))
  tell({ profile: { isScam: true } })
  await suspected
  await says('two')
  expect(on.reached).toEqual(['one'])
})

test.each<[string, DossierFacts, boolean]>([
  ['without data', {}, true],
  ['at least a day old', { age: { atLeast: DAY } } as DossierFacts, true],
  ['at most forty days old', { age: { atMost: 40 * DAY } }, true],
  ['at most thirty days old', { age: { atMost: 30 * DAY } }, true],
  ['at most three days old', { age: { atMost: 3 * DAY } }, false],
  ['with an age of NaN', { age: { atMost: Number.NaN } }, true],
  ['of a fraud, with denyScam: false', { profile: { isScam: true } }, true],
])('minAccountAge: an account %s', async (_, facts, passes) => {
  const desk = new Desk()
  desk.tells = () => facts
  on = await rig(guarded(desk, { denyScam: false, minAccountAge: '30d', dossierWait: '5s' }))
  on.start()
  await says('one')
  expect(on.reached).toEqual(passes ? ['one'] : [])
})

test('a dossier is looked up once, and again after a day', async () => {
  const desk = new Desk()
  on = await rig(guarded(desk, { dossierWait: '1s' }))
  on.start()
  await says('one', 'two', 'three')
  stage.advance(DAY - 1)
  await says('still')
  expect(desk.asked).toHaveLength(1)
  stage.advance(2)
  desk.tells = () => ({ profile: { isScam: true } })
  await says('four')
  expect(desk.asked).toHaveLength(2)
  expect(on.reached).toEqual(['one', 'two', 'three', 'still'])
})

test('an account that was too young is admitted when it must be old enough', async () => {
  const desk = new Desk()
  desk.tells = () => ({ age: { atMost: 29 * DAY } })
  on = await rig(guarded(desk, { minAccountAge: '30d', dossierWait: '1s', dossierFor: '7d' }))
  on.start()
  await says('one')
  stage.advance(DAY + 1)
  desk.tells = () => ({ age: { atMost: 30 * DAY } })
  await says('two')
  expect(on.reached).toEqual(['two'])
})

test('updates that arrive during a look-up share it', async () => {
  const desk = new Desk()
  let tell: (facts: DossierFacts) => void = () => undefined
  desk.tells = () => new Promise((resolve) => (tell = resolve))
  const guard = guarded(desk)
  on = await rig(guard)
  on.start()
  await says('one', 'two', 'three')
  expect(desk.asked).toHaveLength(1)
  tell({})
  await guard.close()
})

test('a source that fails denies nobody, is reported, and paused for longer each time', async () => {
  const desk = new Desk()
  desk.tells = () => Promise.reject(new Error('FLOOD_WAIT'))
  const guard = guarded(desk, { dossierWait: '1s' })
  const errors: unknown[] = []
  guard.on('error', ({ during }) => errors.push(during))
  on = await rig(guard)
  on.start()
  await says('one', 'two')
  expect(desk.asked).toHaveLength(1)
  stage.advance(5001)
  await says('three', 'four')
  stage.advance(5001)
  await says('five')
  expect(desk.asked).toHaveLength(2)
  stage.advance(5001)
  await says('six')
  expect(desk.asked).toHaveLength(3)
  expect(on.reached).toEqual(['one', 'two', 'three', 'four', 'five', 'six'])
  expect(errors).toEqual(Array(3).fill('auth.dossier'))
})

test('a source that hangs denies nobody', async () => {
  const desk = new Desk()
  desk.tells = () => new Promise(() => undefined)
  const guard = guarded(desk, { timeout: '3s' })
  const errors: string[] = []
  guard.on('error', ({ error }) => errors.push(String(error)))
  on = await rig(guard)
  on.start()
  await says('one')
  await until(() => desk.asked.length === 1)
  stage.advance(3000)
  await until(() => errors.length === 1)
  await says('two')
  expect(errors[0]).toMatch(/took longer than 3000 ms/)
  expect(on.reached).toEqual(['one', 'two'])
})

test('a user about whom Telegram returns nothing is not looked up with every update', async () => {
  const desk = new Desk()
  desk.tells = () => Promise.reject(new SentinelError('mtproto.refused', 'USER_ID_INVALID'))
  const guard = guarded(desk, { dossierWait: '1s' })
  const errors: unknown[] = []
  guard.on('error', (error) => errors.push(error))
  on = await rig(guard)
  on.start()
  await says('one', 'two')
  expect([desk.asked.length, errors.length, on.reached.length]).toEqual([1, 0, 2])
  stage.advance(3_600_001)
  await says('three')
  expect(desk.asked).toHaveLength(2)
})

test('at most four look-ups run at once, the others wait their turn', async () => {
  const desk = new Desk()
  const tell: ((facts: DossierFacts) => void)[] = []
  desk.tells = () => new Promise((resolve) => tell.push(resolve))
  const guard = guarded(desk)
  on = await rig(guard)
  on.start()
  const crowd = Array.from({ length: 9 }, (_, n) => on.telegram.createUser({ firstName: `User ${n}` }))
  for (const person of crowd) await person.to(on.account).sends('hello')
  await on.settled()
  await until(() => tell.length === 4)
  expect(on.reached).toHaveLength(9)
  tell[0]?.({})
  await until(() => tell.length === 5)
  expect(new Set(desk.asked).size).toBe(5)
  // No further requests are made for updates that still wait.
  const closed = guard.close()
  for (const each of tell) each({})
  await closed
  expect(desk.asked).toHaveLength(5)
})

test('at most four look-ups run at once even if many strangers arrive together', async () => {
  const desk = new Desk()
  const tell: ((facts: DossierFacts) => void)[] = []
  desk.tells = () => new Promise((resolve) => tell.push(resolve))
  const guard = guarded(desk)
  on = await rig(guard)
  const strangers = Array.from({ length: 9 }, (_, n) => 9000 + n)
  await Promise.all(
    strangers.map((id) => {
      const somebody = { id, first_name: 'Stranger' }
      const from = { ...somebody, is_bot: false }
      const message = {
        message_id: id,
        date: 1,
        chat: { ...somebody, type: 'private' as const },
        from,
        text: 'hello',
      }
      return on.bot.handleUpdate({ update_id: id, message })
    }),
  )
  await until(() => tell.length >= 4)
  await on.settled()
  expect(tell).toHaveLength(4)
  // Each answer makes room for one more request.
  for (let told = 0; told < strangers.length; told++) {
    await until(() => tell.length > told)
    tell[told]?.({})
    expect(tell.length).toBeLessThanOrEqual(told + 4)
  }
  await guard.close()
  expect(new Set(desk.asked).size).toBe(9)
})

test('a user who is exempt by a role is admitted', async () => {
  const desk = new Desk()
  desk.tells = () => ({ profile: { isScam: true } })
  const guard = guarded(desk, { dossierWait: '1s' }, { exempt: { roles: ['trusted'] } })
  on = await rig(guard)
  on.start()
  await says('one')
  await guard.grant(on.alice.id, 'trusted')
  await says('two')
  expect(on.reached).toEqual(['two'])
})

test('the first refusal contains the reason', async () => {
  const desk = new Desk()
  desk.tells = () => ({ profile: { isScam: true } })
  const guard = guarded(desk, { dossierWait: '1s' })
  const notes: unknown[] = []
  guard.on('denied', ({ verdict: { note } }) => notes.push(note))
  on = await rig(guard)
  on.start()
  await says('one', 'two')
  expect([on.reached, notes]).toEqual([[], ['scam', 'scam']])
})

test('the reason is looked up once if the storage answers later', async () => {
  const desk = new Desk()
  desk.tells = () => ({ profile: { isScam: true } })
  const storage = memory({ clock: stage.clock })
  const asked: string[] = []
  const get = storage.marks.get.bind(storage.marks)
  Object.assign(storage.marks, {
    get: async (...args: Parameters<typeof get>) => {
      asked.push(args[2])
      return get(...args)
    },
  })
  const guard = guarded(desk, { dossierWait: '2s' }, { storage })
  const notes: unknown[] = []
  guard.on('denied', ({ verdict: { note } }) => notes.push(note))
  on = await rig(guard)
  on.start()
  await says('one', 'two', 'three')
  expect(notes).toEqual(['scam', undefined, undefined])
  expect(asked.filter((name) => name === SUSPECT)).toEqual([SUSPECT])
})

test('in shadow the refusal is reported, and the update passes', async () => {
  const desk = new Desk()
  desk.tells = () => ({ profile: { isScam: true } })
  const guard = guarded(desk, { dossierWait: '1s', shadow: true })
  const told: unknown[] = []
  guard.on('shadow', ({ verdict: { guard: by, limit, reason } }) => told.push([by, limit, reason]))
  on = await rig(guard)
  on.start()
  await says('one', 'two')
  expect(on.reached).toEqual(['one', 'two'])
  expect(told).toEqual(Array(2).fill(['auth', 'dossier', 'suspect']))
})

test('other workers read a dossier with the plan, without another look-up', async () => {
  const storage = memory({ clock: stage.clock })
  const [first, second] = [new Desk(), new Desk()]
  first.tells = () => ({ profile: { isScam: true } })
  const options = { name: 'shared', storage, clock: stage.clock, timers: stage.timers }
  const rules = { registration: 'auto', denyScam: true, dossierWait: '1s' } as const
  on = await rig(sentinel({ ...options, auth: { ...rules, dossier: first } }))
  on.start()
  await says('one')
  await on.bot.stop()
  const bot = new Bot(on.account.token, on.account.config)
  const reached: unknown[] = []
  bot.use(sentinel({ ...options, auth: { ...rules, dossier: second } }), (ctx) => reached.push(ctx.msg?.text))
  const running = bot.start()
  await says('two')
  await bot.stop()
  await running
  expect(reached).toEqual([])
  expect([first.asked.length, second.asked.length]).toEqual([1, 0])
})

describe('options', () => {
  beforeEach(async () => {
    on = await rig(undefined)
  })

  test('that need a source are refused without a source', () => {
    expect(() => sentinel({ auth: { minAccountAge: '30d' } })).toThrow(/auth\.dossier: is missing;.*mtproto/)
  })

  test('with a source that nothing uses are refused', () => {
    expect(() => sentinel({ auth: { dossier: new Desk() } })).toThrow(/nothing uses it/)
    expect(() => auth({ dossier: 7 as never, denyScam: true })).toThrow(/must be a source of dossiers/)
  })
})
