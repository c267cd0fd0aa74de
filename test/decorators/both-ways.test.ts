import type { Context } from 'grammy'
import { memory } from '../../src/index.js'
import { type Desk, desk, joins, says, taps } from '../sentinel/desk.js'
import { COMPILERS, compiled } from './compilers.js'

type ShopModule = typeof import('./shop.js')
type Shop = InstanceType<ShopModule['Shop']>

const ALICE = 7

describe.each(Object.entries(COMPILERS))('a class compiled by %s', (_, compiler) => {
  let file: ShopModule
  let shop: Shop
  let stand: Desk
  let refusals: string[]

  beforeEach(() => {
    // The class is made after the sentinel, with which the names of handlers begin anew.
    stand = desk({ storage: memory(), throttle: '90/1m' }, (bot) => {
      file = compiled<ShopModule>('test/decorators/shop.ts', compiler)
      shop = new file.Shop()
      bot.use(file.handlers(shop), file.handlers(file.Shop))
    })
    refusals = []
    stand.guard.on('denied', ({ verdict }) => refusals.push(`${verdict.guard} ${verdict.limit}`))
  })

  test('runs each registered member with its own limits and its own `this`', async () => {
    await stand.says(ALICE, '/buy tea')
    expect(shop.log).toEqual([])
    await stand.guard.grant(ALICE, 'customer')
    await stand.says(ALICE, '/buy tea', '/buy milk', '/buy salt')
    expect(shop.log).toEqual(['Shop buy tea', 'Shop buy milk'])
    expect(refusals).toEqual(['auth customer', 'throttle Shop.buy'])
  })

  test('guards handlers held by fields', async () => {
    await stand.says(ALICE, '/order tea', '/preorder milk')
    expect(shop.log).toEqual(['Shop order tea'])
    expect(refusals).toEqual(['throttle Shop.order'])
    stand.time.advance(60_000)
    await stand.says(ALICE, '/preorder milk')
    expect(shop.log).toEqual(['Shop order tea', 'Shop order milk'])
  })

  test('registers one member for several triggers', async () => {
    await stand.handle(taps(ALICE, 'pay'))
    await stand.says(ALICE, '/pay')
    stand.time.advance(60_000)
    await stand.says(ALICE, '/pay')
    expect(shop.log).toEqual(['Shop pay by tap', 'Shop pay by command'])
    expect(refusals).toEqual(['throttle Shop.pay'])
  })

  test('handles texts, memberships and symbol members', async () => {
    await stand.says(ALICE, 'say hi', 'say hi', '/staff', '/staff', 'well')
    await stand.handle(joins(9))
    expect(shop.log).toEqual(['Shop say hi', 'Shop staff', 'Shop any well', 'Shop welcome User 9'])
    expect(refusals).toEqual(['debounce Shop.say', 'throttle Shop[staff]'])
  })

  test('inherits members, whose limits are named after the class that declares them', async () => {
    await stand.says(ALICE, '/count', '/count')
    expect(shop.log).toEqual(['Shop count'])
    expect(refusals).toEqual(['throttle Counter.count'])
  })

  test('registers static members of the class', async () => {
    await stand.says(ALICE, '/about', '/about')
    expect(file.Shop.told).toEqual(['about'])
    expect(refusals).toEqual(['throttle Shop.about'])
  })

  test('passes an update on if its handler calls next()', async () => {
    const reached: string[] = []
    stand.bot.use((ctx) => reached.push(ctx.msg?.text ?? ''))
    await stand.says(ALICE, 'one', '/count')
    expect(shop.log).toEqual(['Shop any one', 'Shop count'])
    expect(reached).toEqual(['one'])
  })

  test('registers members in the order in which they are written, also with registrars kept in constants', async () => {
    const corner = new file.CornerOfStation()
    const open = desk({ storage: memory() }, (bot) => bot.use(file.handlers(corner)))
    await open.says(ALICE, '/help')
    expect(corner.log).toEqual(['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth'])
  })

  test('keeps names and arities of members, also after bind()', async () => {
    expect([shop.buy.name, shop.buy.length, shop.any.length, shop.order.length]).toEqual(['buy', 1, 2, 1])
    expect(Object.keys(shop)).toEqual(expect.arrayContaining(['log', 'order']))
    const loose = shop.buy.bind(shop) as (ctx: Context) => Promise<void>
    expect([loose.name, loose.length]).toEqual(['bound buy', 1])
    await stand.guard.grant(ALICE, 'customer')
    const bound = desk({ storage: stand.guard.storage }, (bot) => bot.command('buy', loose))
    await bound.guard.grant(ALICE, 'customer')
    await bound.says(ALICE, '/buy tea', '/buy milk', '/buy salt')
    expect(shop.log).toEqual(['Shop buy tea', 'Shop buy milk'])
  })

  test('shares the limits of a member among its instances', async () => {
    const other = new file.Shop()
    const both = desk({ storage: memory() }, (bot) =>
      bot.use((ctx, next) =>
        (ctx.msg?.text?.endsWith('other') === true ? file.handlers(other) : file.handlers(shop)).middleware()(
          ctx,
          next,
        ),
      ),
    )
    await both.says(ALICE, '/order tea', '/order other', '/count', '/count other')
    expect([shop.log, other.log]).toEqual([['Shop order tea', 'Shop count'], []])
    await both.handle(says(8, '/order other'))
    expect(other.log).toEqual(['Shop order other'])
  })
})
