import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import type { SentinelOptions } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { GuardedContext } from '../middleware/rig.js'
import { later, nextId, says, tick } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { flood, parsing } from './gate-stand.js'
import { post, SECRET, type Stand, stand } from './stand.js'

describe('a decision of the gate that the guard does not use', () => {
  const limits = [
    { name: 'a', limit: '100/1m', deny: 'silent' },
    { name: 'b', limit: '1/1m', deny: 'silent' },
  ] as const

  /** A user was refused, and the next update is under way: past the gate, but not yet at the guard. */
  async function underWay(options: SentinelOptions, hold: (at: Stand, held: Promise<void>) => void) {
    const at = stand({ throttle: limits, ...options })
    const failures: unknown[] = []
    at.guard.on('error', ({ error }) => failures.push(error))
    at.bot.catch(({ error }) => void failures.push(error))
    // With a listener refused updates are parsed, too, and carry the decision along.
    at.guard.on('denied', () => undefined)
    await flood(at, 1, 2)
    let go = (): void => undefined
    const held = new Promise<void>((fulfil) => {
      go = fulfil
    })
    hold(at, held)
    return { at, failures, go }
  }

  const inFront = (at: Stand, held: Promise<void>): void => {
    const handle = at.bot.handleUpdate.bind(at.bot)
    at.bot.handleUpdate = async (update, envelope) => {
      past++
      await held
      return handle(update, envelope)
    }
  }
  /** The number of updates past the gate. */
  let past = 0
  beforeEach(() => {
    past = 0
  })

  test('is made again by options that changed meanwhile', async () => {
    const { at, failures, go } = await underWay({}, inFront)
    const answer = at.deliver(says(1, 'third'))
    await until('it is past the gate', () => past === 1)
    at.guard.reconfigure({ throttle: false, once: false, block: false })
    go()
    expect(await answer).toBe(200)
    expect(failures).toEqual([])
    expect(at.reached).toEqual(['flood', 'third'])
  })

  test('refunds its charges and claims, so that the update is not a duplicate of itself', async () => {
    const { at, failures, go } = await underWay({}, inFront)
    at.time.advance(60_000)
    const answer = at.deliver(says(1, 'third'))
    await until('it is past the gate', () => past === 1)
    // The gate has admitted it, and charged for it.
    expect(await at.guard.peek(1, 'b')).toMatchObject([{ remaining: 0 }])
    at.guard.reconfigure({ notices: { texts: {} } } as SentinelOptions)
    go()
    expect(await answer).toBe(200)
    expect(failures).toEqual([])
    expect(at.reached).toEqual(['flood', 'third'])
    expect(await at.guard.peek(1, 'a')).toMatchObject([{ remaining: 99 }])
  })

  test('is made again if a remote storage was still deciding with the previous options', async () => {
    let asked = 0
    let slow: Promise<void> | undefined
    const near = memory()
    const storage = {
      ...later(near),
      remote: false,
      async prepare(plan: Parameters<typeof near.prepare>[0]) {
        const judge = await near.prepare(plan)
        return {
          async evaluate(...args: Parameters<typeof judge.evaluate>) {
            const decision = await judge.evaluate(...args)
            asked++
            await slow
            return decision
          },
          peek: async (...args: Parameters<typeof judge.peek>) => judge.peek(...args),
          settle: async (...args: Parameters<typeof judge.settle>) => judge.settle(...args),
        }
      },
    }
    const { at, failures, go } = await underWay({ storage }, (_, held) => {
      slow = held
    })
    const answer = at.deliver(says(1, 'third'))
    await until('it is asked', () => asked === 3)
    at.guard.reconfigure({ throttle: false, once: false, block: false })
    slow = undefined
    go()
    expect(await answer).toBe(200)
    expect(failures).toEqual([])
    expect(at.reached).toEqual(['flood', 'third'])
  })

  test('charges nothing if the update never reached the guard', async () => {
    const at = stand({ throttle: limits })
    at.guard.on('warning', () => undefined)
    await flood(at, 1, 2)
    at.time.advance(60_000)
    at.bot.handleUpdate = async () => undefined
    expect(await at.deliver(says(1, 'dropped in front'))).toBe(200)
    await until('it is given back', async () => (await at.guard.peek(1, 'a'))[0]?.remaining === 100)
  })
})

describe('if the guard is in front of some updates only', () => {
  function inPrivate(): Stand & { readonly handled: string[]; readonly warned: string[] } {
    const at = stand({ throttle: { limit: '2/1m', deny: 'silent' } }, undefined, { gate: false })
    const { config } = { config: { client: at.bot.api.options, botInfo: at.bot.botInfo } }
    const bot = new Bot<GuardedContext>(at.bot.token, config as never)
    const handled: string[] = []
    const warned: string[] = []
    at.guard.on('warning', ({ code }) => warned.push(code))
    bot.chatType('private').use(at.guard as never)
    bot.on('message:text', (ctx) => {
      handled.push(ctx.msg.text)
    })
    const webhook = at.guard.webhook(bot, { secret: SECRET })
    return {
      ...at,
      bot,
      webhook,
      handled,
      warned,
      deliver: async (update) => (await webhook.fetch(post(JSON.stringify(update)))).status,
    }
  }

  test('a refused user can use handlers elsewhere', async () => {
    const at = inPrivate()
    for (const text of ['a', 'b', 'c', 'd']) await at.deliver(says(1, text))
    for (const text of ['x', 'y', 'z']) await at.deliver(says(1, text, { group: true }))
    expect(at.handled).toEqual(['a', 'b', 'x', 'y', 'z'])
  })

  test('the gate stops deciding once that is noticed, which is reported once', async () => {
    const at = inPrivate()
    await at.deliver(says(1, 'a'))
    expect(at.warned).toEqual([])
    for (const text of ['x', 'y']) await at.deliver(says(2, text, { group: true }))
    expect(at.warned).toEqual(['webhook.bypassed'])
    let parsed = 0
    const handle = at.bot.handleUpdate.bind(at.bot)
    at.bot.handleUpdate = (update) => {
      parsed++
      return handle(update)
    }
    await flood(at, 1, 5)
    expect(parsed).toBe(5)
    expect(at.handled).toEqual(['a', 'x', 'y', 'flood'])
  })

  test('waiting middleware in front does not stop the gate, nor do updates of an unknown kind', async () => {
    const at = parsing()
    const warned: string[] = []
    at.guard.on('warning', ({ code }) => warned.push(code))
    const handle = at.bot.handleUpdate.bind(at.bot)
    at.bot.handleUpdate = async (update, envelope) => {
      await tick()
      return handle(update, envelope)
    }
    await Promise.all([at.deliver(says(2, 'x')), at.deliver(says(3, 'y'))])
    await at.deliver({ update_id: nextId(), something_new: {} } as Update)
    await flood(at, 1, 6)
    expect(at.parsed).toHaveLength(6)
    expect(warned).toEqual([])
  })
})
