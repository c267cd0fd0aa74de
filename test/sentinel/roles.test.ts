import { SentinelError, type Subject, sentinel, subject, userKey } from '../../src/index.js'
import { desk, later } from './desk.js'

const ALICE = 7
const BOB = 8

describe('roles', () => {
  test('grant access under auth until they are revoked', async () => {
    const { guard, says, reached } = desk({ auth: { roles: ['admin'], gate: ['ban'], deny: 'silent' } })
    await says(ALICE, '/ban 1')
    await guard.grant(ALICE, 'admin')
    await says(ALICE, '/ban 2')
    await says(BOB, '/ban 3')
    expect(await guard.revoke([ALICE, BOB], 'admin')).toBe(1)
    await says(ALICE, '/ban 4')
    expect(reached).toEqual(['/ban 2'])
  })

  test('have their own limits, and exemptions', async () => {
    const limits = desk({ throttle: { limit: '1/1m', roles: { vip: '2/1m' }, deny: 'silent' } })
    await limits.guard.grant(ALICE, 'vip')
    await limits.says(ALICE, '1', '2', '3')
    expect(limits.reached).toEqual(['1', '2'])

    const exempt = desk({ throttle: { limit: '1/1m', deny: 'silent' }, exempt: { roles: ['moderator'] } })
    await exempt.guard.grant([ALICE], 'moderator')
    await exempt.says(ALICE, '1', '2', '3')
    await exempt.says(BOB, '4', '5')
    expect(exempt.reached).toEqual(['1', '2', '3', '4'])
  })

  test.each([
    ['memory', undefined],
    ['a storage that answers later', later()],
  ])('can be looked up by subject and name, before a bot is known and after, in %s', async (_, storage) => {
    const { guard, says } = desk(storage === undefined ? {} : { storage })
    const channel = subject.sender(-100)
    await guard.grant([ALICE, channel], 'vip')
    const held = (): Promise<boolean[]> =>
      Promise.all([
        guard.hasRole(ALICE, 'vip'),
        guard.hasRole(channel, 'vip'),
        guard.hasRole(subject.chat(-100), 'vip'),
        guard.hasRole(ALICE, 'VIP'),
        guard.hasRole(BOB, 'vip'),
        guard.isRegistered(ALICE),
      ])
    expect(await held()).toEqual([true, true, false, false, false, false])
    await says(ALICE, 'hello')
    expect(await held()).toEqual([true, true, false, false, false, false])
    expect(await guard.revoke(ALICE, 'vip')).toBe(1)
    expect(await guard.revoke(ALICE, 'vip')).toBe(0)
    expect(await guard.hasRole(ALICE, 'vip')).toBe(false)
  })

  test('apply to every bot', async () => {
    const { guard, says, another } = desk()
    await guard.grant(ALICE, 'vip')
    await says(BOB, 'hello')
    const second = another(43)
    await second.handle({ update_id: 1, message: undefined as never })
    expect(await guard.storage.marks.get(42, userKey(ALICE), 'role:vip')).toBeDefined()
    expect(await guard.storage.marks.get(43, userKey(ALICE), 'role:vip')).toBeDefined()
  })

  test.each([[''], ['x'.repeat(65)], [undefined], [5], [['vip']]])('%j is not a role name', async (role) => {
    const guard = sentinel()
    const wrong = role as string
    for (const done of [guard.grant(1, wrong), guard.revoke(1, wrong), guard.hasRole(1, wrong)]) {
      await expect(done).rejects.toThrow(SentinelError)
      await expect(done).rejects.toMatchObject({ code: 'option.invalid' })
    }
  })

  test('may have the longest name, and any text', async () => {
    const guard = sentinel()
    for (const role of ['x'.repeat(64), 'Модератор', 'a b', '__proto__']) {
      await guard.grant(1, role)
      expect(await guard.hasRole(1, role)).toBe(true)
    }
  })

  test('can be given to subjects only', async () => {
    await expect(sentinel().grant('alice' as unknown as Subject, 'vip')).rejects.toMatchObject({
      code: 'subject.invalid',
    })
  })
})
