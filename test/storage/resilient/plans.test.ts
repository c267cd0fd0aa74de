import type { Judge, MaybePromise, Plan } from '../../../src/core/check.js'
import { SentinelError } from '../../../src/core/errors.js'
import { userKey } from '../../../src/core/subject.js'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { failover } from '../../../src/storage/failover.js'
import { memory } from '../../../src/storage/memory/memory.js'
import { Stage } from '../../middleware/rig.js'
import { faulty } from '../faulty.js'
import { ALICE, askOf, BOB, bucket, isAdmitted, type Outage, outage, settled } from '../outage.js'

/** Two plans, as of a sentinel and of one of its handlers. */
const MAIN: Plan = { name: 'main', scopes: ['user'], checks: [bucket(3)] }
const HANDLER: Plan = { name: 'main handler', scopes: ['user'], checks: [bucket(2)] }
/** The same plan after a role got a limit of its own, which changes nothing for users without the role. */
const RENEWED: Plan = {
  ...HANDLER,
  checks: [
    bucket(2, { variants: [{ mark: 'role:vip', subject: 0, limit: { amount: 9, per: 60_000 } }] } as never),
  ],
}

const lacking = (): never => {
  throw new SentinelError('storage.permission', 'postgres: this role may not create the function of a plan.')
}

/** Replaces how a storage prepares plans. */
function preparing(storage: { prepare: Storage['prepare'] }, how: (plan: Plan) => MaybePromise<void>): void {
  const { prepare } = storage
  storage.prepare = async (plan) => {
    await how(plan)
    return prepare(plan)
  }
}

/** The number of updates that pass, decided by the storage or in its place. */
async function passing(judge: Judge, updates: number, user = ALICE): Promise<number> {
  let passed = 0
  for (let i = 0; i < updates; i++) if (isAdmitted(await judge.evaluate(askOf(user)))) passed++
  return passed
}

async function prepared({ storage }: Outage, plan: Plan): Promise<Judge> {
  const judge = await storage.prepare(plan)
  await settled()
  return judge
}

async function instead({ storage }: Outage): Promise<number | undefined> {
  return (await storage.health()).circuit?.instead
}

describe('a role that may not create the functions of a later plan', () => {
  let may = false
  let one: Outage
  beforeEach(() => {
    may = false
    one = outage()
    preparing(one.remote, ({ name }) => (name === HANDLER.name && !may ? lacking() : undefined))
  })
  afterEach(() => one.storage.close())

  test('lacks only that plan: this is reported, and the plan is decided in memory, and offered again until it is accepted', async () => {
    const { storage, told, pass } = one
    const main = await prepared(one, MAIN)
    const handler = await prepared(one, HANDLER)
    expect(told).toEqual([
      expect.objectContaining({
        is: 'failed',
        during: 'storage.prepare',
        error: expect.objectContaining({ code: 'storage.permission' }),
      }),
    ])
    expect(await storage.health()).toMatchObject({
      ok: true,
      circuit: { state: 'closed', reason: 'storage.permission' },
    })
    // All other plans go on.
    expect(await passing(main, 4)).toBe(3)
    expect(await instead(one)).toBe(0)
    expect(await passing(handler, 3)).toBe(2)
    expect(await instead(one)).toBe(3)
    await pass(60_000)
    expect(told).toHaveLength(1)
    may = true
    await pass(60_000)
    expect(await passing(handler, 3, BOB)).toBe(2)
    expect(await instead(one)).toBe(3)
    const asked = one.remote.asked.length
    await pass(120_000)
    expect(one.remote.asked).toHaveLength(asked)
  })

  test('continues with the previous plan if there was one', async () => {
    may = true
    const former = await prepared(one, HANDLER)
    expect(await passing(former, 3)).toBe(2)
    may = false
    const renewed = await prepared(one, RENEWED)
    expect(await passing(renewed, 1)).toBe(0)
    expect(await instead(one)).toBe(0)
    expect((await one.storage.health()).ok).toBe(true)
  })

  test('uses the storage for all other plans once it is back', async () => {
    const main = await prepared(one, MAIN)
    await one.goDown(main)
    const handler = await prepared(one, HANDLER)
    one.remote.fault = 'none'
    await one.pass(1000)
    expect((await one.storage.health()).ok).toBe(true)
    expect(one.told.map(({ is }) => is)).toEqual(['down', 'failed', 'up'])
    expect(await passing(handler, 3)).toBe(2)
  })

  test('counts as down if no plan was accepted at all', async () => {
    await prepared(one, HANDLER)
    expect(one.told).toEqual([expect.objectContaining({ is: 'down', reason: 'storage.permission' })])
    await one.pass(1000)
    expect((await one.storage.health()).ok).toBe(false)
    may = true
    await one.pass(1000)
    expect((await one.storage.health()).ok).toBe(true)
  })
})

describe('a plan that is prepared again, and takes long', () => {
  async function slowly(
    more: Plan,
    waited = 300,
  ): Promise<{ one: Outage; former: Judge; renewed: Judge; go: () => void }> {
    const one = outage()
    const former = await prepared(one, HANDLER)
    await passing(former, 2)
    let go = (): void => undefined
    preparing(one.remote, () => new Promise<void>((done) => (go = done)))
    const renewing = one.storage.prepare(more)
    await one.pass(waited)
    return { one, former, renewed: await renewing, go: () => go() }
  }

  test('is decided by the storage throughout: by the previous plan, then by itself', async () => {
    const { one, renewed, go } = await slowly(RENEWED)
    expect(await passing(renewed, 2)).toBe(0)
    const mark = { since: 0 }
    await one.storage.marks.put(42, 'role:vip', [
      { key: BOB, mark },
      { key: userKey(9), mark },
    ])
    expect(await passing(renewed, 10, BOB)).toBe(2)
    go()
    await settled()
    expect(await passing(renewed, 10, userKey(9))).toBe(9)
    expect(await instead(one)).toBe(0)
    await one.storage.close()
  })

  test('is decided in memory if it has other checks', async () => {
    const asked = { ...HANDLER, checks: [bucket(2, { slot: 'other' }), bucket(2)] }
    const { one, renewed } = await slowly(asked, 2000)
    expect(await passing(renewed, 3)).toBe(2)
    expect(await instead(one)).toBe(3)
    await one.storage.close()
  })
})

describe('a plan that a storage refuses at once', () => {
  const refused = new SentinelError('option.invalid', 'hybrid.lease.limits: "x" is not a token bucket.')
  const refuse = (one: Outage, at: Plan): void => {
    const { prepare } = one.remote
    one.remote.prepare = (plan) => {
      if (plan.name === at.name) throw refused
      return prepare(plan)
    }
  }

  test('rejects for the first plan', async () => {
    const one = outage()
    refuse(one, MAIN)
    expect(() => one.storage.prepare(MAIN)).toThrow(refused)
    await one.storage.close()
  })

  test('is reported for a later plan, which is decided in memory', async () => {
    const one = outage()
    refuse(one, HANDLER)
    await prepared(one, MAIN)
    expect(await passing(await prepared(one, HANDLER), 4)).toBe(2)
    expect(one.told).toEqual([{ is: 'failed', during: 'storage.prepare', error: refused }])
    expect((await one.storage.health()).ok).toBe(true)
    await one.storage.close()
  })
})

describe('failover()', () => {
  const over = (): { time: Stage; storages: Storage[]; storage: Storage } => {
    const time = new Stage()
    const storages = [memory({ clock: time.clock }), memory({ clock: time.clock })].map((kept) =>
      faulty(time.clock, time.timers, kept),
    )
    return { time, storages, storage: failover(storages, { clock: time.clock, timers: time.timers }) }
  }

  test('keeps the first storage if it lacks the rights for a later plan, which the second decides', async () => {
    const { storages, storage } = over()
    preparing(storages[0] as Storage, ({ name }) => (name === HANDLER.name ? lacking() : undefined))
    const main = await storage.prepare(MAIN)
    expect(await passing(main, 4)).toBe(3)
    const handler = await storage.prepare(HANDLER)
    expect(await passing(handler, 3)).toBe(2)
    expect(await storage.health()).toMatchObject({ inUse: 0, storages: [{ ok: true }, { ok: true }] })
    expect(await passing(main, 1)).toBe(0)
    await storage.close()
  })

  test('reports it if no storage may, and continues with the previous plan if there was one', async () => {
    const { storages, storage } = over()
    let may = true
    for (const each of storages)
      preparing(each, ({ name }) => (name === HANDLER.name && !may ? lacking() : undefined))
    await storage.prepare(MAIN)
    const former = await storage.prepare(HANDLER)
    expect(await passing(former, 2)).toBe(2)
    may = false
    await expect((async () => storage.prepare(RENEWED))()).rejects.toMatchObject({
      code: 'storage.permission',
    })
    expect(await passing(former, 1)).toBe(0)
    expect(await passing(former, 1, userKey(9))).toBe(1)
    await storage.close()
  })
})
