import { sequentialize } from '@grammyjs/runner'
import {
  Bot,
  type Context,
  MemorySessionStorage,
  type MiddlewareFn,
  type SessionFlavor,
  session,
} from 'grammy'
import type { Update } from 'grammy/types'
import { type SentinelFlavor, type SentinelOptions, sentinel } from '../../src/index.js'
import { Extras } from '../extras.js'
import { Stage } from '../middleware/rig.js'
import { says, taps, tick } from '../sentinel/desk.js'

type Talk = Context & SentinelFlavor & SessionFlavor<{ handled: string[] }>

const ALICE = 7
const BOB = 8
const inOrder = sequentialize<Talk>((ctx) => ctx.chat?.id.toString())

/** A bot whose handlers wait for `end()` between reading and writing the session of their chat. */
function remembering(options: SentinelOptions<Talk>, ...between: MiddlewareFn<Talk>[]) {
  const time = new Stage()
  const { account, config } = new Extras(time.clock, () => undefined).hire(42)
  const bot = new Bot<Talk>(account.token, config)
  const guard = sentinel<Talk>({ clock: time.clock, timers: time.timers, ...options })
  const storage = new MemorySessionStorage<{ handled: string[] }>()
  let end = (): void => undefined
  const ended = new Promise<void>((done) => {
    end = done
  })
  let begun = 0
  bot.use(guard, ...between, session({ initial: () => ({ handled: [] }), storage }), async (ctx) => {
    const { handled } = ctx.session
    begun++
    await ended
    ctx.session.handled = [...handled, ctx.callbackQuery?.data ?? ctx.msg?.text ?? 'paid']
  })
  return {
    guard,
    time,
    begun: () => begun,
    handle: (update: Update) => bot.handleUpdate(update),
    end: () => end(),
    kept: () => storage.readAllValues().flatMap(({ handled }) => handled),
  }
}

function pays(from: number): Update {
  const { update_id, message } = says(from, '')
  const { text: _, ...rest } = message as NonNullable<Update['message']>
  const payment = {
    currency: 'XTR',
    total_amount: 50,
    invoice_payload: 'stars',
    telegram_payment_charge_id: 'a',
    provider_payment_charge_id: 'b',
  }
  return { update_id, message: { ...rest, successful_payment: payment } as Update['message'] & object }
}

describe('two concurrent messages of a group, of which the last to be stored wins if both are handled at once', () => {
  test.each<[string, SentinelOptions<Talk>, MiddlewareFn<Talk>[], string[]]>([
    ['per user', { concurrency: {} }, [], ['2']],
    ['per chat', { concurrency: { scope: 'chat' } }, [], ['1', '2']],
    ['with sequentialize()', {}, [inOrder], ['1', '2']],
  ])('%s', async (_, options, between, kept) => {
    const on = remembering(options, ...between)
    const both = [says(ALICE, '1', { group: true }), says(BOB, '2', { group: true })].map(on.handle)
    await tick()
    on.end()
    await Promise.all(both)
    expect(on.kept()).toEqual(kept)
  })
})

describe('a payment during a message of the same chat', () => {
  test.each<[string, SentinelOptions<Talk>, MiddlewareFn<Talk>[], number]>([
    ['is handled at the same time by default', { concurrency: { scope: 'chat' } }, [], 2],
    ['waits for it with sequentialize()', { concurrency: { scope: 'chat' } }, [inOrder], 1],
  ])('%s', async (_, options, between, begun) => {
    const on = remembering(options, ...between)
    const both = [says(ALICE, '1'), pays(ALICE)].map(on.handle)
    await tick()
    expect(on.begun()).toBe(begun)
    on.end()
    await Promise.all(both)
  })
})

describe('a tap while a burst is handled, as under bot.start()', () => {
  test.each<[string, SentinelOptions<Talk>, MiddlewareFn<Talk>[], number]>([
    ['is handled at the same time', {}, [], 2],
    ['waits for it with concurrency per chat', { concurrency: { scope: 'chat' } }, [], 1],
    ['waits for it with sequentialize()', {}, [inOrder], 1],
  ])('%s', async (_, options, between, begun) => {
    const on = remembering({ debounce: { mode: 'trailing', window: '1s' }, ...options }, ...between)
    await on.handle(says(ALICE, 'burst'))
    on.time.advance(1000)
    await tick()
    expect(on.begun()).toBe(1)
    const tapped = on.handle(taps(ALICE, 'tap'))
    await tick()
    expect(on.begun()).toBe(begun)
    on.end()
    await tapped
    await on.guard.close()
    expect(on.kept()).toHaveLength(begun === 1 ? 2 : 1)
  })
})
