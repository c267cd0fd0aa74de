import { Bot, type Context } from 'grammy'
import type { Update } from 'grammy/types'
import {
  compose,
  type Facts,
  once,
  type SentinelOptions,
  type ThrottleOptions,
  throttle,
} from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, nextId, tick, user } from './desk.js'

/* Albums are charged with their first part, whatever happens to it. */

const ALICE = 7
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await at.guard.close()
})

function stand(...given: Parameters<typeof desk>): Desk {
  const at = desk(...given)
  open.push(at)
  return at
}

function photo(album: string, caption?: string, more: object = {}): Update {
  const id = nextId()
  return {
    update_id: id,
    message: {
      message_id: id,
      date: 1,
      chat: { id: ALICE, type: 'private', first_name: 'Alice' },
      from: user(ALICE),
      media_group_id: album,
      photo: [{ file_id: `f${id}`, file_unique_id: `u${id}`, width: 1, height: 1 }],
      ...(caption === undefined ? {} : { caption }),
      ...more,
    },
  }
}

const limited: SentinelOptions = { throttle: { limit: '2/1m', deny: 'silent' }, debounce: false }

test('albums whose first part is vetoed by a hook are limited', async () => {
  const at = stand(limited)
  at.guard.hook('allowed', ({ ctx }) => (ctx.msg?.caption === 'spam' ? { veto: 'spam' } : undefined))
  for (let album = 0; album < 20; album++) {
    await at.handle(photo(`a${album}`, 'spam'))
    for (let part = 1; part < 10; part++) await at.handle(photo(`a${album}`))
  }
  expect(at.reached).toHaveLength(2 * 9)
  expect((await at.guard.peek(ALICE, 'user')).map(({ remaining }) => remaining)).toEqual([0])
})

test('albums whose first part is refused by concurrency are limited', async () => {
  const ends: (() => void)[] = []
  const at = stand({ ...limited, concurrency: { most: 1, queue: 0, deny: 'silent' } }, (bot) => {
    bot.on('message', () => new Promise<void>((end) => ends.push(end)))
  })
  const handled: Promise<void>[] = []
  for (let album = 0; album < 20; album++) {
    handled.push(at.handle(photo(`a${album}`)))
    await tick()
    // Running handlers end, so that another part of the same album finds a place.
    for (const end of ends.splice(0)) end()
    await tick()
    handled.push(at.handle(photo(`a${album}`)))
    await tick()
  }
  for (const end of ends.splice(0)) end()
  await Promise.all(handled)
  expect(at.reached.length).toBeLessThanOrEqual(2 * 2)
})

test('albums are limited in front of a handler, too', async () => {
  const handled: unknown[] = []
  const at = stand({ throttle: false, debounce: false }, (bot) => {
    bot.on('message', throttle({ limit: '2/1m', deny: 'silent' }), (ctx) => {
      handled.push(ctx.update.update_id)
    })
  })
  at.guard.hook('after:throttle', ({ ctx }) => (ctx.msg?.caption === 'spam' ? { veto: 'spam' } : undefined))
  for (let album = 0; album < 5; album++) {
    await at.handle(photo(`a${album}`, 'spam'))
    for (let part = 1; part < 10; part++) await at.handle(photo(`a${album}`))
  }
  expect(handled).toHaveLength(2 * 9)
})

describe('a part of an album that is redelivered after its handler failed', () => {
  /** A bot whose handler fails while `isStuck` is set. */
  function failing(options: SentinelOptions = {}) {
    const attempts: [update: number, isRepeated: boolean][] = []
    const own = {
      isStuck: true,
      attempts,
      ...stand({ ...limited, throttle: '60/1m', ...options }, (bot) => {
        bot.on('message', throttle({ name: 'photos', limit: '2/1h', deny: 'silent' }), (ctx) => {
          attempts.push([ctx.update.update_id, ctx.sentinel.isRepeated])
          if (own.isStuck) throw new Error('the disk is full')
        })
      }),
      left: async () => (await own.guard.peek(ALICE, 'photos')).map(({ remaining }) => Math.floor(remaining)),
      async fails(update: Update) {
        await expect(own.handle(update)).rejects.toThrow('the disk is full')
        await own.quiet()
      },
    }
    return own
  }

  test.each<[string, SentinelOptions]>([
    ['', {}],
    [', with a lease', { once: { lease: '1m' } }],
  ])('is repeated, and charged once%s', async (_, options) => {
    const at = failing(options)
    const part = photo('a')
    for (let delivery = 0; delivery < 3; delivery++) await at.fails(part)
    expect(await at.left()).toEqual([1])
    at.isStuck = false
    await at.handle(part)
    expect(at.attempts.map(([, isRepeated]) => isRepeated)).toEqual([false, true, true, true])
    expect(await at.left()).toEqual([1])
    await at.handle(photo('a'))
    expect(at.attempts.at(-1)).toEqual([expect.any(Number), false])
    expect(await at.left()).toEqual([1])
  })

  test('is not charged if an earlier part has paid for the album', async () => {
    const at = failing()
    at.isStuck = false
    await at.handle(photo('a'))
    const second = photo('a')
    at.isStuck = true
    for (let delivery = 0; delivery < 3; delivery++) await at.fails(second)
    at.isStuck = false
    await at.handle(second)
    expect(at.attempts.slice(-2).map(([, isRepeated]) => isRepeated)).toEqual([true, true])
    expect(await at.left()).toEqual([1])
  })

  test('is repeated, and charged once, if the options were changed in between', async () => {
    const at = failing()
    const part = photo('a')
    await at.fails(part)
    at.guard.reconfigure({ ...limited, throttle: '30/1m' })
    at.isStuck = false
    await at.handle(part)
    expect(at.attempts.map(([, isRepeated]) => isRepeated)).toEqual([false, true])
    expect(await at.left()).toEqual([1])
  })

  test('is repeated behind guards without a sentinel', async () => {
    const attempts: boolean[] = []
    const { token, botInfo } = stand().bot
    const bot = new Bot<GuardedContext>(token, { botInfo })
    bot.use(compose(once(), throttle('5/1h')), ({ sentinel }) => {
      attempts.push(sentinel.isRepeated)
      if (attempts.length === 1) throw new Error('the disk is full')
    })
    const part = photo('a')
    await expect(bot.handleUpdate(part)).rejects.toThrow('the disk is full')
    await bot.handleUpdate(part)
    await bot.handleUpdate(photo('a'))
    expect(attempts).toEqual([false, true, false])
  })

  test('counts once among what the user did', async () => {
    const at = failing({ users: true })
    const part = photo('a')
    await at.fails(part)
    at.isStuck = false
    await at.handle(part)
    at.time.advance(60_000)
    await at.quiet()
    expect((await at.guard.users.read(ALICE))?.counts).toEqual({ message: 1 })
  })
})

describe('a part of an album is charged separately if the first one did not pay for it:', () => {
  const video = {
    photo: undefined,
    video: { file_id: 'f', file_unique_id: 'u', width: 1, height: 1, duration: 1 },
  }
  const isDraw = ({ command }: Facts): boolean => command === 'draw'
  const other = (more: object): ThrottleOptions => ({ name: 'own', limit: '10/1h', deny: 'silent', ...more })

  /** Handles four albums of one plain photo and three other parts; returns what is left of the limit. */
  async function left(
    limit: ThrottleOptions,
    caption: string | undefined,
    more: object = {},
  ): Promise<number> {
    const at = stand({ throttle: ['1000/1m', limit], debounce: false })
    for (let album = 0; album < 4; album++) {
      await at.handle(photo(`a${album}`))
      for (let part = 1; part < 4; part++) await at.handle(photo(`a${album}`, caption, more))
    }
    expect(at.reached).toHaveLength(4 * 4)
    const [peeked] = await at.guard.peek(ALICE, limit.name)
    return peeked?.remaining as number
  }

  test('a command that has a limit of its own', async () => {
    expect(await left(other({ commands: ['draw'] }), '/draw')).toBe(6)
  })

  test('a command that costs more', async () => {
    expect(
      await left(other({ limit: '100/1h', cost: (facts: Facts) => (isDraw(facts) ? 10 : 1) }), '/draw'),
    ).toBe(56)
  })

  test('a kind of media that costs more', async () => {
    const cost = (_: Facts, { msg }: Context): number => (msg?.video === undefined ? 1 : 5)
    expect(await left(other({ limit: '100/1h', cost }), undefined, video)).toBe(76)
  })

  test('a key that another part does not have', async () => {
    const at = stand({
      throttle: { name: 'own', limit: '1/1h', key: ({ command }) => command, deny: 'silent' },
      debounce: false,
    })
    for (const album of ['a', 'b']) {
      await at.handle(photo(album))
      await at.handle(photo(album, '/draw'))
    }
    expect(at.reached).toHaveLength(3)
  })

  test('each command, where each has a limit', async () => {
    const at = stand({ throttle: { limit: '1/1h', scope: 'command', deny: 'silent' }, debounce: false })
    for (const album of ['a', 'b']) {
      for (const caption of [undefined, '/draw', '/paint', '/draw']) await at.handle(photo(album, caption))
    }
    expect(at.reached).toHaveLength(4 + 1)
  })

  test('a limit that is stricter for it', async () => {
    const limit = (facts: Facts): '100/1h' | '2/1h' => (isDraw(facts) ? '2/1h' : '100/1h')
    const at = stand({ throttle: { limit, algorithm: 'fixed', deny: 'silent' }, debounce: false })
    for (const album of ['a', 'b']) {
      await at.handle(photo(album))
      await at.handle(photo(album, '/draw'))
    }
    expect(at.reached).toHaveLength(3)
  })

  test.each<[string, (facts: Facts) => number]>([
    ['as all are', () => 0],
    ['as others are not', (facts) => (isDraw(facts) ? 0 : 1)],
  ])('but not a command that is free, %s, where each command has a limit', async (_, cost) => {
    const commands: ThrottleOptions = { name: 'commands', limit: '1/1h', scope: 'command', cost }
    const at = stand({ throttle: [{ limit: '5/1h' }, commands], debounce: false })
    await at.handle(photo('a'))
    await at.handle(photo('a', '/draw'))
    expect(await at.guard.peek(ALICE, 'user')).toMatchObject([{ remaining: 4 }])
  })

  test('a further part is decided like the first of its kind', async () => {
    const at = stand({ throttle: ['1000/1m', other({ limit: '1/1h', commands: ['draw'] })], debounce: false })
    const denied: string[] = []
    at.guard.on('denied', ({ facts }) => denied.push(`${facts.album} ${facts.command}`))
    for (const album of ['a', 'b']) {
      await at.handle(photo(album))
      for (let part = 1; part < 4; part++) await at.handle(photo(album, '/draw'))
    }
    expect(denied).toEqual(['b draw', 'b draw', 'b draw'])
  })
})
