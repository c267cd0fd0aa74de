import { subject } from '../../src/index.js'
import { joins, tick } from '../sentinel/desk.js'
import { LIMIT, on, opened } from './hooked.js'

describe('events', () => {
  test('run hooks for blocks, registrations, members and limits', async () => {
    opened()
    const log: string[] = []
    on.guard.hook('blocked', ({ reason }) => void log.push(`blocked ${reason}`))
    on.guard.hook('unblocked', () => void log.push('unblocked'))
    on.guard.hook('registered', () => void log.push('registered'))
    on.guard.hook('unregistered', () => void log.push('unregistered'))
    on.guard.hook('membership.joined', ({ member }) => void log.push(`joined ${member.id}`))
    on.guard.hook('membership.left', () => void log.push('left'))
    on.guard.hook('membership', ({ event }) => void log.push(event))
    await on.says(1, 'a')
    await on.guard.block(2, { reason: 'spam' })
    await on.guard.unblock(2)
    await on.guard.register(subject.user(3))
    await on.guard.unregister(3)
    await on.handle(joins(9))
    expect(log).toEqual(['blocked spam', 'unblocked', 'registered', 'unregistered', 'joined 9', 'joined'])
  })

  test('do not delay the update, and do not run removed hooks', async () => {
    opened(LIMIT)
    const log: number[] = []
    const stop = on.guard.hook('denied', async ({ facts }) => {
      await new Promise<void>((done) => on.time.timers.after(500, done))
      log.push(facts.updateId)
    })
    await on.says(1, 'a', 'b', 'c')
    expect(log).toEqual([])
    on.time.advance(500)
    await tick()
    expect(log).toHaveLength(1)
    stop()
    await on.says(1, 'd')
    on.time.advance(500)
    await tick()
    expect(log).toHaveLength(1)
  })

  test('for members are requested from Telegram if there is a hook, as for a handler', () => {
    opened()
    expect(on.guard.membership.listened).toBe(false)
    const stop = on.guard.hook('membership.joined', () => undefined)
    expect(on.guard.membership.listened).toBe(true)
    stop()
    expect(on.guard.membership.listened).toBe(false)
  })
})
