import { policy, type SentinelOptions } from '../../src/index.js'
import { type Desk, desk, tick } from '../sentinel/desk.js'

/* Who warns about a handler with an unknown policy. The guard in front of a handler knows no sentinel before its first update. */

const ALICE = 7
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await at.guard.close()
})

/** A sentinel, and the names of its warnings. */
function listening(
  options: SentinelOptions = {},
  handlers?: Parameters<typeof desk>[1],
): Desk & { readonly warned: string[] } {
  const at = desk(options, handlers)
  const warned: string[] = []
  at.guard.on('warning', ({ code, message }) => warned.push(`${code}: ${/"(.+?)"/.exec(message)?.[1]}`))
  open.push(at)
  return { ...at, warned }
}

const asking =
  (name: string): Parameters<typeof desk>[1] =>
  (bot) => {
    bot.command('buy', policy(name), () => undefined)
  }

async function meets(at: Desk): Promise<void> {
  await at.says(ALICE, 'hello')
  await tick()
}

test('the only sentinel warns of unknown policies, whether it has policies or not', async () => {
  const at = listening({}, asking('checkout'))
  await meets(at)
  expect(at.warned).toEqual(['policy.unknown: checkout'])
})

test('the sentinel of another bot does not warn of policies that do not concern it', async () => {
  const shop = listening({ policies: { stock: { throttle: '1/1m' } } }, asking('checkout'))
  const chat = listening()
  await meets(chat)
  expect(chat.warned).toEqual([])
  await meets(shop)
  expect(shop.warned).toEqual([])
  // Before it is reached, its sentinel is unknown.
  const errors: unknown[] = []
  shop.guard.on('error', ({ error }) => errors.push(error))
  await shop.says(ALICE, '/buy')
  expect(errors).toEqual([expect.objectContaining({ code: 'policy.unknown' })])
  expect(chat.warned).toEqual([])
})

test('among several sentinels, the one with a policy of a similar name warns', async () => {
  const shop = listening({ policies: { checkout: { throttle: '1/1m' } } }, asking('chekout'))
  const chat = listening({ policies: { talk: { throttle: '9/1m' } } })
  await meets(chat)
  expect(chat.warned).toEqual([])
  await meets(shop)
  expect(shop.warned).toEqual(['policy.unknown: chekout'])
})

test('no sentinel warns of a policy that a later sentinel has, nor of policies used with a closed one', async () => {
  const chat = listening()
  policy('sale')
  const shop = listening({ policies: { sale: { throttle: '1/1m' } } })
  await meets(chat)
  expect([chat.warned, shop.warned]).toEqual([[], []])

  policy('gone')
  for (const at of open.splice(0)) await at.guard.close()
  const later = listening()
  await meets(later)
  expect(later.warned).toEqual([])
})

test('a policy that only a closed sentinel had is unknown to later ones', async () => {
  const former = listening({ policies: { rare: { throttle: '1/1m' } } })
  await former.guard.close()
  const later = listening({}, asking('rare'))
  await meets(later)
  expect(later.warned).toEqual(['policy.unknown: rare'])
})
