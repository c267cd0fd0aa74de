import type { Update } from 'grammy/types'
import { type SentinelOptions, throttle } from '../src/index.js'
import { type Desk, desk, nextId, tick, user } from './sentinel-desk.js'

/* Albums are paid for by their first part, whatever becomes of it. */

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

function photo(album: string, caption?: string): Update {
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
    },
  }
}

const limited: SentinelOptions = { throttle: { limit: '2/1m', deny: 'silent' }, debounce: false }

test('albums whose first part a hook vetoes are held to the limit', async () => {
  const at = stand(limited)
  at.guard.hook('allowed', ({ ctx }) => (ctx.msg?.caption === 'spam' ? { veto: 'spam' } : undefined))
  for (let album = 0; album < 20; album++) {
    await at.handle(photo(`a${album}`, 'spam'))
    for (let part = 1; part < 10; part++) await at.handle(photo(`a${album}`))
  }
  expect(at.reached).toHaveLength(2 * 9)
  expect((await at.guard.peek(ALICE, 'user')).map(({ remaining }) => remaining)).toEqual([0])
})

test('so are those whose first part finds no place at work', async () => {
  const ends: (() => void)[] = []
  const at = stand({ ...limited, concurrency: { most: 1, queue: 0, deny: 'silent' } }, (bot) => {
    bot.on('message', () => new Promise<void>((end) => ends.push(end)))
  })
  const handled: Promise<void>[] = []
  for (let album = 0; album < 20; album++) {
    handled.push(at.handle(photo(`a${album}`)))
    await tick()
    // Whoever was at work leaves, so that another part of the same album finds a place.
    for (const end of ends.splice(0)) end()
    await tick()
    handled.push(at.handle(photo(`a${album}`)))
    await tick()
  }
  for (const end of ends.splice(0)) end()
  await Promise.all(handled)
  expect(at.reached.length).toBeLessThanOrEqual(2 * 2)
})

test('in front of a handler, too', async () => {
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
