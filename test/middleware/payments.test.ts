import type { Update } from 'grammy/types'
import {
  ACTIVITIES,
  auth,
  concurrency,
  fromRateLimiter,
  type Guard,
  once,
  requirePermission,
  requireRole,
  throttle,
  userKey,
} from '../../src/index.js'
import { type Desk, desk, says, tick } from '../sentinel/desk.js'

/* Successful payments: the money has been taken, so they reach the handlers whatever a guard covers. */

const ALICE = 7
let at: Desk
afterEach(() => at.guard.close())

function pays(from: number): Update {
  const update = says(from, '')
  const { text: _, ...message } = update.message as import('grammy/types').Message.TextMessage
  const successful_payment = {
    currency: 'XTR',
    total_amount: 50,
    invoice_payload: 'order',
    telegram_payment_charge_id: 't',
    provider_payment_charge_id: 'p',
  } as const
  return { ...update, message: { ...message, successful_payment } as never }
}

const refuses = {
  consume: async () => {
    throw { msBeforeNext: 1000 }
  },
}

test.each<[string, Guard]>([
  ['throttle', throttle({ limit: '1/1h', on: ACTIVITIES, deny: 'silent' })],
  ['auth', auth({ on: ACTIVITIES, deny: 'silent' })],
  ['auth with a resolver', auth({ on: ACTIVITIES, resolve: () => false, deny: 'silent' })],
  ['requireRole', requireRole('admin', { on: ACTIVITIES, deny: 'silent' })],
  ['requirePermission', requirePermission('orders.read', { on: ACTIVITIES, deny: 'silent' })],
  ['fromRateLimiter', fromRateLimiter(refuses, { on: ACTIVITIES, deny: 'silent' })],
])('%s refuses no payment, also where `on` names payments', async (_, guard) => {
  const paid: number[] = []
  const roles = { admin: { allow: ['orders.read'] } }
  at = desk({ roles }, (bot) => bot.on('message', guard, (ctx) => void paid.push(ctx.update.update_id)))
  const payments = [pays(ALICE), pays(ALICE)]
  for (const update of payments) await at.handle(update)
  expect(paid).toEqual(payments.map(({ update_id }) => update_id))
  expect((await at.guard.health()).tally).toMatchObject({ allowed: 2, denied: 0 })
})

test('guards that could not be prepared refuse no payment', async () => {
  let paid = 0
  at = desk({ roles: { vip: {} } }, (bot) => {
    bot.on('message', throttle({ limit: '1/1h', roles: { vipp: '5/1h' } }), () => void paid++)
  })
  const errors: string[] = []
  at.guard.on('error', ({ during }) => errors.push(during))
  await at.says(ALICE, 'hello')
  await at.handle(pays(ALICE))
  expect(paid).toBe(1)
  expect(errors).toEqual(['wiring'])
  expect((await at.guard.health()).tally).toMatchObject({ allowed: 1, denied: 1 })
})

test('auth calls its resolver for a payment that `on` names, and registers the payer', async () => {
  const seen: unknown[] = []
  const registered: unknown[] = []
  const guard = auth({
    on: ACTIVITIES,
    registration: 'auto',
    resolve: ({ actorId }) => ({ allow: actorId === ALICE, value: 'account' }),
    deny: 'silent',
  })
  at = desk({}, (bot) => bot.on('message', guard, (ctx) => void seen.push(ctx.sentinel.identity)))
  at.guard.on('registered', ({ key }) => void registered.push(key))
  for (const from of [ALICE, ALICE + 1]) await at.handle(pays(from))
  await at.quiet()
  expect(seen).toEqual(['account', undefined])
  expect(registered).toEqual([userKey(ALICE), userKey(ALICE + 1)])
  expect((await at.guard.health()).tally).toMatchObject({ allowed: 2, denied: 0 })
})

test('a payment that is delivered twice is handled once', async () => {
  const paid: number[] = []
  at = desk({ once: false }, (bot) => bot.use(once(), (ctx) => void paid.push(ctx.update.update_id)))
  const payment = pays(ALICE)
  for (const update of [payment, payment]) await at.handle(update)
  expect(paid).toEqual([payment.update_id])
})

test.each([
  ['without a queue', 0, ['message', 'payment']],
  ['with a queue', 10, ['message']],
])('concurrency admits a payment even if there is no free place: %s', async (_, queue, early) => {
  const begun: string[] = []
  let end = (): void => undefined
  const hangs = new Promise<void>((done) => {
    end = done
  })
  at = desk({}, (bot) =>
    bot.on('message', concurrency({ queue, maxWait: '5s', on: ['message', 'payment'] }), async (ctx) => {
      begun.push(ctx.msg.successful_payment === undefined ? 'message' : 'payment')
      if (ctx.msg.text !== undefined) await hangs
    }),
  )
  const message = at.handle(says(ALICE, 'slow'))
  await tick()
  const payment = at.handle(pays(ALICE))
  await tick()
  // If it may wait, it waits for its turn, and is admitted when the wait is over.
  expect(begun).toEqual(early)
  at.time.advance(5000)
  await payment
  expect(begun).toEqual(['message', 'payment'])
  end()
  await message
  expect((await at.guard.health()).tally).toMatchObject({ allowed: 2, denied: 0 })
})
