import { exempt, requireRegistered, sentinel, throttle } from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, later, says } from './desk.js'

/* Several guards behind a sentinel. */

const ALICE = 7
const BOB = 8
const group = { group: true } as const
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await at.guard.close()
})

test.each([
  ['memory', undefined],
  ['a storage that answers later', later],
])('exempt() of administrators exempts them from later guards in another plan: %s', async (_, make) => {
  const handled: number[] = []
  const at = desk(make === undefined ? {} : { storage: make() }, (bot) => {
    bot.command(
      'go',
      exempt({ chatAdmins: true }),
      (_, next) => next(),
      throttle({ limit: '1/1h', deny: 'silent' }),
      requireRegistered({ deny: 'silent' }),
      (ctx) => {
        handled.push(ctx.from?.id ?? 0)
      },
    )
  })
  open.push(at)
  at.hasAdministrators(ALICE)
  for (const who of [ALICE, BOB, ALICE, ALICE]) {
    await at.handle(says(who, '/go', group)).catch(() => undefined)
  }
  // Users exempt from limits still have to be registered.
  await at.guard.register(ALICE)
  for (const who of [ALICE, ALICE, ALICE]) await at.handle(says(who, '/go', group))
  expect(handled).toEqual([ALICE, ALICE, ALICE])
})

test('an exempt() does not undo the exemptions of an earlier one', async () => {
  const handled: number[] = []
  const at = desk({}, (bot) => {
    bot.command(
      'go',
      exempt({ owner: ALICE }),
      (_, next) => next(),
      exempt({ chatAdmins: true }),
      (_, next) => next(),
      requireRegistered({ deny: 'silent' }),
      (ctx) => {
        handled.push(ctx.from?.id ?? 0)
      },
    )
  })
  open.push(at)
  at.hasAdministrators(ALICE, BOB)
  for (const who of [ALICE, BOB]) await at.handle(says(who, '/go', group))
  expect(handled).toEqual([ALICE])
})

test('charges of guards behind a second sentinel are refunded when the outer one sees the handler fail', async () => {
  let runs = 0
  const inner = sentinel<GuardedContext>({ once: false, name: 'inner', throttle: '60/1m' })
  const at = desk({ name: 'outer' }, (bot) => {
    bot.use(inner)
    bot.command('go', throttle({ limit: '1/1h', deny: 'silent' }), () => {
      runs++
      if (runs === 1) throw new Error('the till is stuck')
    })
  })
  open.push(at)
  const update = says(ALICE, '/go')
  await expect(at.handle(update)).rejects.toThrow('the till is stuck')
  await at.handle(update)
  await at.handle(says(ALICE, '/go'))
  expect(runs).toBe(2)
  await inner.close()
})

test('a refused reconfigure() does not change hooks and blocks', async () => {
  const heard: string[] = []
  const at = desk({ hooks: { allowed: () => void heard.push('old') } })
  open.push(at)
  const tooMuch = Array.from({ length: 40 }, (_, nth) => ({ name: `n${nth}`, limit: '9/1m' as const }))
  expect(() =>
    at.guard.reconfigure({ hooks: { allowed: () => void heard.push('new') }, throttle: tooMuch }),
  ).toThrow(expect.objectContaining({ code: 'plan.invalid' }))
  const many = Array.from({ length: 1001 }, () => () => undefined)
  expect(() => at.guard.reconfigure({ hooks: { allowed: many }, block: { list: [ALICE] } })).toThrow()
  await at.says(ALICE, 'hello')
  expect([heard, await at.guard.isBlocked(ALICE)]).toEqual([['old'], false])
})
