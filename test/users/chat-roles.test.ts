import { definePolicy, policy, requireRole } from '../../src/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, says } from '../sentinel/desk.js'

const ADMINISTRATOR = 1
const ALICE = 7
const PLAZA = -1001000000001

describe('roles that Telegram gives, and that no option names', () => {
  let on: Desk
  afterEach(() => on.guard.close())

  function opened(...args: Parameters<typeof desk>): void {
    on = desk(...args)
    on.hasAdministrators(ADMINISTRATOR)
  }
  async function writes(from: number, text: string): Promise<void> {
    await on.handle(says(from, text, { group: true }))
    await on.quiet()
  }

  test('users admitted by requireRole() hold the role, for the handler and for guard.hasRole()', async () => {
    const held: unknown[] = []
    opened({}, (bot) => {
      bot.command('a', requireRole<GuardedContext>('chat:administrator'), async (ctx) => {
        held.push(
          await ctx.sentinel.hasRole('chat:administrator'),
          await ctx.sentinel.hasRole('chat:creator'),
        )
      })
      bot.command('b', async (ctx) => {
        held.push(await ctx.sentinel.hasRole('chat:administrator'))
      })
    })
    await writes(ADMINISTRATOR, '/a')
    await writes(ALICE, '/a')
    await writes(ALICE, '/b')
    expect(held).toEqual([true, false, false])
    const has = (whom: number, chat?: number): Promise<boolean> =>
      on.guard.hasRole(whom, 'chat:administrator', chat === undefined ? {} : { chat })
    expect([await has(ADMINISTRATOR, PLAZA), await has(ALICE, PLAZA), await has(ADMINISTRATOR)]).toEqual([
      true,
      false,
      false,
    ])
  })

  test('Telegram is not asked about roles that no chat role extends', async () => {
    opened({ roles: { moderator: {} } }, (bot) => {
      bot.command('a', async (ctx) => {
        await ctx.sentinel.hasRole('moderator')
      })
    })
    await writes(ALICE, '/a')
    await on.guard.hasRole(ALICE, 'moderator', { chat: PLAZA })
    expect(on.calls.map(({ method }) => method)).toEqual([])
  })

  test.each([
    ['requireRole()', () => requireRole<GuardedContext>('chat:administrator')],
    ['requireRole() of a role that a chat role extends', () => requireRole<GuardedContext>('moderator')],
    ['a policy', () => policy<GuardedContext>(definePolicy('staff', { roles: ['chat:administrator'] }))],
    ['a custom role', () => requireRole<GuardedContext>('helper')],
  ])('%s sends each refused user one notice per window', async (_, make) => {
    opened(
      { roles: { moderator: {}, helper: {}, 'chat:administrator': { extends: ['moderator'] } } },
      (bot) => {
        bot.command('a', make(), () => undefined)
      },
    )
    for (let i = 0; i < 4; i++) await writes(ALICE, '/a')
    expect(on.notices).toHaveLength(1)
    await writes(8, '/a')
    expect(on.notices).toHaveLength(2)
    on.time.advance(61_000)
    await writes(ALICE, '/a')
    await writes(ALICE, '/a')
    expect(on.notices).toHaveLength(3)
    expect((await on.guard.health()).tally.denied).toBe(7)
  })
})
