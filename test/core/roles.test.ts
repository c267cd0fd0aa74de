import fc from 'fast-check'
import { allows, grantsOf, unknownPermission } from '../../src/core/grants.js'
import { type RoleOptions, Roles } from '../../src/core/roles.js'

function codeOf(make: () => unknown): string {
  try {
    make()
    return 'nothing'
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`
  }
}

describe('roles', () => {
  const shop = new Roles({
    support: { allow: ['orders.read', 'users.*.read'] },
    moderator: { extends: ['support'], allow: ['messages.*'] },
    admin: { extends: ['moderator'], allow: ['orders.*'], deny: ['orders.export'] },
    owner: { extends: ['admin'], allow: ['*'] },
    guest: {},
  })

  test.each<[string, readonly string[], string, boolean]>([
    ['what it allows itself', ['support'], 'orders.read', true],
    ['nothing else', ['support'], 'orders.refund', false],
    ['what it inherits', ['admin'], 'messages.pin.now', true],
    ['from afar', ['admin'], 'users.7.read', true],
    ['not the other way', ['support'], 'messages.pin', false],
    ['a star as the last part, for all that follow', ['admin'], 'orders.refund.partial', true],
    ['but for one at least', ['admin'], 'orders', false],
    ['a star between, for one part', ['support'], 'users.7.8.read', false],
    ['everything', ['owner'], 'anything.at.all', true],
    ['what it denies not', ['admin'], 'orders.export', false],
    ['nor what it inherits as denied', ['owner'], 'orders.export', false],
    ['nor what another role denies', ['owner', 'admin'], 'orders.export', false],
    ['nothing without a role', [], 'orders.read', false],
    ['nothing by a role that allows nothing', ['guest', 'unheard-of', '__proto__'], 'orders.read', false],
    ['case matters', ['support'], 'Orders.read', false],
    ['a pattern is not a permission', ['owner'], 'orders.*', false],
    ['nor is nothing', ['owner'], '', false],
    ['nor a part of nothing', ['owner'], 'orders..read', false],
  ])('allow %s', (_, held, permission, allowed) => {
    expect(allows(shop, held, permission)).toBe(allowed)
  })

  test('are expanded: who counts as whom', () => {
    expect(shop.countingAs('support')).toEqual(['support', 'moderator', 'admin', 'owner'])
    expect(shop.marksOf('moderator')).toEqual(['role:moderator', 'role:admin', 'role:owner'])
    expect([...shop.expanded(['moderator'])]).toEqual(['moderator', 'support'])
    expect(grantsOf(shop, 'orders.export')).toEqual({
      allowedTo: ['admin', 'owner'],
      deniedTo: ['admin', 'owner'],
    })
    const given = [
      ['support', 1],
      ['admin', 2],
    ] as const
    expect(shop.byMark(given)).toEqual([
      ['role:support', 1],
      ['role:admin', 2],
      ['role:moderator', 1],
      ['role:owner', 1],
    ])
  })

  test('of nobody’s naming are as they are called', () => {
    const roles = new Roles(undefined)
    expect(roles.marksOf('vip')).toEqual(['role:vip'])
    expect(() => roles.check('whatever', 'grant')).not.toThrow()
    expect(allows(roles, ['vip'], 'a')).toBe(false)
  })

  test('with names of prototypes are roles like others', () => {
    const named = JSON.parse('{"__proto__": {"allow": ["a"]}, "constructor": {"extends": ["__proto__"]}}')
    const roles = new Roles(named as Record<string, RoleOptions>)
    expect(roles.names).toEqual(['__proto__', 'constructor'])
    expect([allows(roles, ['constructor'], 'a'), allows(roles, ['toString'], 'a')]).toEqual([true, false])
    expect(allows(shop, ['constructor', 'toString', '__proto__'], 'orders.read')).toBe(false)
    expect(allows(shop, ['admin'], '__proto__')).toBe(false)
  })

  test.each<[string, Record<string, RoleOptions>, RegExp]>([
    [
      'that are not there',
      { admin: { extends: ['moderatr'] }, moderator: {} },
      /^role.unknown: roles.admin.extends: .*"moderatr". Did you mean "moderator"\?/,
    ],
    [
      'that extend themselves',
      { a: { extends: ['b'] }, b: { extends: ['c'] }, c: { extends: ['a'] } },
      /^role.cycle: .* a → b → c → a\./,
    ],
    ['that extend themselves at once', { a: { extends: ['a'] } }, /^role.cycle: .* a → a\./],
    ['that Telegram does not give', { 'chat:admin': {} }, /^role.unknown: roles: .*"chat:admin"/],
    ['that Telegram nearly gives', { 'chat:can_pin_message': {} }, /Did you mean "chat:can_pin_messages"\?/],
    ['without a name', { '': {} }, /^option.invalid: role/],
    [
      'with what is not a permission',
      { a: { allow: ['orders refund'] } },
      /^option.invalid: roles.a.allow: "orders refund"/,
    ],
    ['with what denies nothing', { a: { deny: ['a..b'] } }, /^option.invalid: roles.a.deny/],
  ])('%s are refused', (_, named, message) => {
    expect(codeOf(() => new Roles(named))).toMatch(message)
  })

  test('tell a slip in a permission', () => {
    expect(unknownPermission(shop, 'messages.pin', 'can')).toBeUndefined()
    const roles = new Roles({ a: { allow: ['orders.refund'] } })
    expect(unknownPermission(roles, 'orders.refnd', 'can')).toMatchObject({
      code: 'permission.unknown',
      message: expect.stringMatching(/"orders.refnd".*Did you mean "orders.refund"\?/),
    })
  })

  test('answer as a plain walk over their links does, whatever they are', () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const permissions = ['x.y', 'x.z', 'w', 'x.y.v']
    const patterns = ['x.*', 'x.y', '*', 'w', 'x.*.v', '*.z']
    const role = (index: number) =>
      fc.record({
        // Upward only: no circles.
        extends: fc.subarray(names.slice(index + 1)),
        allow: fc.subarray(patterns),
        deny: fc.subarray(patterns, { maxLength: 1 }),
      })
    const model = (pattern: string, permission: string): boolean => {
      const walk = (left: string[], right: string[]): boolean => {
        if (left.length === 0) return right.length === 0
        if (right.length === 0) return false
        if (left.length === 1 && left[0] === '*') return true
        return (left[0] === '*' || left[0] === right[0]) && walk(left.slice(1), right.slice(1))
      }
      return walk(pattern.split('.'), permission.split('.'))
    }
    fc.assert(
      fc.property(
        fc.tuple(...names.map((_, index) => role(index))),
        fc.subarray(names),
        fc.constantFrom(...permissions),
        (made, held, permission) => {
          const named = Object.fromEntries(names.map((name, index) => [name, made[index] as RoleOptions]))
          const all = new Set<string>()
          const collect = (name: string): void => {
            all.add(name)
            for (const each of named[name]?.extends ?? []) collect(each)
          }
          held.forEach(collect)
          const some = (of: 'allow' | 'deny'): boolean =>
            [...all].some((name) => named[name]?.[of]?.some((pattern) => model(pattern, permission)))
          expect(allows(new Roles(named), held, permission)).toBe(some('allow') && !some('deny'))
        },
      ),
      { numRuns: 300 },
    )
  })
})
