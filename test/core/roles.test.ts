import fc from 'fast-check'
import { allows, grantsOf, unknownPermission } from '../../src/core/grants.js'
import { expanded, type RoleOptions, Roles } from '../../src/core/roles.js'

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
    ['their own permissions', ['support'], 'orders.read', true],
    ['no other permission', ['support'], 'orders.refund', false],
    ['inherited permissions', ['admin'], 'messages.pin.now', true],
    ['permissions inherited over several roles', ['admin'], 'users.7.read', true],
    ['no permission of roles that inherit from them', ['support'], 'messages.pin', false],
    ['several parts by a star as the last part', ['admin'], 'orders.refund.partial', true],
    ['no permission in which the last star matches no part', ['admin'], 'orders', false],
    ['only one part by a star in the middle', ['support'], 'users.7.8.read', false],
    ['everything', ['owner'], 'anything.at.all', true],
    ['no permission that they deny', ['admin'], 'orders.export', false],
    ['no permission that an inherited role denies', ['owner'], 'orders.export', false],
    ['no permission that another role of the user denies', ['owner', 'admin'], 'orders.export', false],
    ['nothing without a role', [], 'orders.read', false],
    ['nothing by empty and unknown roles', ['guest', 'unheard-of', '__proto__'], 'orders.read', false],
    ['permissions only in the same case', ['support'], 'Orders.read', false],
    ['no pattern in place of a permission', ['owner'], 'orders.*', false],
    ['no empty permission', ['owner'], '', false],
    ['no permission with an empty part', ['owner'], 'orders..read', false],
  ])('allow %s', (_, held, permission, allowed) => {
    expect(allows(shop, held, permission)).toBe(allowed)
  })

  test('are expanded by inheritance', () => {
    expect(shop.countingAs('support')).toEqual(['support', 'moderator', 'admin', 'owner'])
    expect(shop.marksOf('moderator')).toEqual(['role:moderator', 'role:admin', 'role:owner'])
    expect([...expanded(shop, ['moderator'])]).toEqual(['moderator', 'support'])
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

  test('without options have no permissions, and accept any name', () => {
    const roles = new Roles(undefined)
    expect(roles.marksOf('vip')).toEqual(['role:vip'])
    expect(() => roles.check('whatever', 'grant')).not.toThrow()
    expect(allows(roles, ['vip'], 'a')).toBe(false)
  })

  test('with names of prototype properties are ordinary roles', () => {
    const named = JSON.parse('{"__proto__": {"allow": ["a"]}, "constructor": {"extends": ["__proto__"]}}')
    const roles = new Roles(named as Record<string, RoleOptions>)
    expect(roles.names).toEqual(['__proto__', 'constructor'])
    expect([allows(roles, ['constructor'], 'a'), allows(roles, ['toString'], 'a')]).toEqual([true, false])
    expect(allows(shop, ['constructor', 'toString', '__proto__'], 'orders.read')).toBe(false)
    expect(allows(shop, ['admin'], '__proto__')).toBe(false)
  })

  test.each<[string, Record<string, RoleOptions>, RegExp]>([
    [
      'that extend an unknown role',
      { admin: { extends: ['moderatr'] }, moderator: {} },
      /^role.unknown: roles.admin.extends: .*"moderatr". Did you mean "moderator"\?/,
    ],
    [
      'that extend themselves indirectly',
      { a: { extends: ['b'] }, b: { extends: ['c'] }, c: { extends: ['a'] } },
      /^role.cycle: .* a → b → c → a\./,
    ],
    ['that extend themselves directly', { a: { extends: ['a'] } }, /^role.cycle: .* a → a\./],
    ['with an unknown role of Telegram', { 'chat:admin': {} }, /^role.unknown: roles: .*"chat:admin"/],
    [
      'with a misspelled role of Telegram',
      { 'chat:can_pin_message': {} },
      /Did you mean "chat:can_pin_messages"\?/,
    ],
    ['without a name', { '': {} }, /^option.invalid: role/],
    [
      'with an invalid permission',
      { a: { allow: ['orders refund'] } },
      /^option.invalid: roles.a.allow: "orders refund"/,
    ],
    ['with an invalid denial', { a: { deny: ['a..b'] } }, /^option.invalid: roles.a.deny/],
  ])('%s are refused', (_, named, message) => {
    expect(codeOf(() => new Roles(named))).toMatch(message)
  })

  test('suggest the right spelling of a mistyped permission', () => {
    expect(unknownPermission(shop, 'messages.pin', 'can')).toBeUndefined()
    const roles = new Roles({ a: { allow: ['orders.refund'] } })
    expect(unknownPermission(roles, 'orders.refnd', 'can')).toMatchObject({
      code: 'permission.unknown',
      message: expect.stringMatching(/"orders.refnd".*Did you mean "orders.refund"\?/),
    })
  })

  test('answer as a naive walk over random roles does', () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const permissions = ['x.y', 'x.z', 'w', 'x.y.v']
    const patterns = ['x.*', 'x.y', '*', 'w', 'x.*.v', '*.z']
    const role = (index: number) =>
      fc.record({
        // Roles extend later roles only, so there are no cycles.
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
