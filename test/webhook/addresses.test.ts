import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { parseAddress } from '../../src/webhook/addresses.js'
import { Callers } from '../../src/webhook/callers.js'

describe('callers', () => {
  const behindProxies = new Callers('telegram', ['10.0.0.0/8', '2001:db8::/32', '::1'])

  test.each([
    ['149.154.167.220', true],
    ['149.154.160.0', true],
    ['149.154.175.255', true],
    ['149.154.176.0', false],
    ['91.108.4.1', true],
    ['91.108.8.0', false],
    ['::ffff:149.154.167.220', true],
    ['::ffff:959a:a7dc', true],
    ['::ffff:8.8.8.8', false],
    ['2001:67c:4e8::1', false],
    ['', false],
    ['149.154.167', false],
    ['149.154.167.0220', false],
    ['149.154.167.220:443', true],
    ['[::ffff:149.154.167.220]:443', true],
    ['8.8.8.8:443', false],
    ['149.154.167.220, 10.0.0.1', false],
  ])('from %s are admitted: %s', (peer, admitted) => {
    expect(behindProxies.admits(peer, undefined)).toBe(admitted)
    // The header of a client that is no trusted proxy is ignored.
    expect(behindProxies.admits(peer, '149.154.167.220')).toBe(admitted)
  })

  test.each([
    ['10.0.0.1', '149.154.167.220', true],
    ['::ffff:10.0.0.1', '149.154.167.220', true],
    ['10.0.0.1', '8.8.8.8, 149.154.167.220', true],
    ['10.0.0.1', '149.154.167.220, 8.8.8.8', false],
    ['10.0.0.1', '149.154.167.220, 8.8.8.8, 10.0.0.7', false],
    ['10.0.0.1', '8.8.8.8,149.154.167.220 , 10.1.1.1,2001:db8::7', true],
    ['10.0.0.1', '149.154.167.220:443', true],
    ['::1', '[::ffff:149.154.167.220]:443', true],
    ['::1', '149.154.167.220, unknown', false],
    ['::1', '', false],
    ['::1', undefined, false],
    ['10.0.0.1', '10.0.0.2', false],
    ['10.0.0.1', `${'8.8.8.8,'.repeat(1000)}149.154.167.220`, false],
  ])('from %s, forwarded for %s, are admitted: %s', (peer, forwarded, admitted) => {
    expect(behindProxies.admits(peer, forwarded)).toBe(admitted)
  })

  test.each([
    ['149.154.167.220', true],
    ['149.154.167.220, 10.0.0.7', true],
    ['8.8.8.8', false],
    ['unix', false],
    [undefined, false],
  ])(
    'from a Unix socket that is a trusted proxy, forwarded for %s, are admitted: %s',
    (forwarded, admitted) => {
      const byUnix = new Callers('telegram', ['10.0.0.0/8', 'unix'])
      expect(byUnix.admits('unix', forwarded)).toBe(admitted)
      expect(behindProxies.admits('unix', forwarded)).toBe(false)
      expect(byUnix.admits(undefined, forwarded)).toBe(false)
      expect(byUnix.admits('8.8.8.8', forwarded)).toBe(false)
    },
  )

  test('from an unknown address are not admitted', () => {
    expect(behindProxies.admits(undefined, '149.154.167.220')).toBe(false)
  })
})

describe('compared with the addresses of node:net', () => {
  test('both accept the same texts as addresses', () => {
    const odd = fc
      .array(fc.constantFrom('::', ':', '.', 'f', '0', '12', '255', '256', '1.2.3.4', '01', 'g'), {
        maxLength: 9,
      })
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), odd), (text) => {
        expect([text, parseAddress(text) !== undefined]).toEqual([text, isIP(text) !== 0])
      }),
      { numRuns: 3000 },
    )
  })

  test('a network contains the same addresses', () => {
    const pair = fc.oneof(
      fc.tuple(fc.ipV4(), fc.nat(32), fc.ipV4(), fc.constant('ipv4' as const)),
      fc.tuple(fc.ipV6(), fc.nat(128), fc.ipV6(), fc.constant('ipv6' as const)),
    )
    fc.assert(
      fc.property(pair, ([network, bits, address, family]) => {
        const list = new BlockList()
        list.addSubnet(network, bits, family)
        expect(new Callers([`${network}/${bits}`], []).admits(address, undefined)).toBe(
          list.check(address, family),
        )
      }),
      { numRuns: 2000 },
    )
  })
})
