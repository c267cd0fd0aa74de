import { readStringSession, writeStringSession } from '@mtcute/core/utils.js'
import fc from 'fast-check'
import {
  readSession,
  type SessionFormat,
  type SessionParts,
  writeSession,
} from '../../src/mtproto/client/sessions/session-strings.js'

// Written by Telethon 1, Pyrogram 1 and 2 for accounts on Telegram's test servers, copied from mtcute's own tests.
const TELETHON =
  '1ApWapygAUChJS1_xwUK01Is4cOvQa1JKTn1POabdMUCfLmXNYFUyvG3v9Z_qbFNFp3zYP--3aVpTYI2DpB2Ib46p_bwSC0j1QEjvdQxJj26cVj8NfslrCkYrdV3glOhdczSq08kp31eqBGXMPhA7wy7DOcSLLAoy-Jf3Q_V_Q3y2a8_64ArFJe8PFfSqkdO56VQutajNLscFUtTQXUQFLJ7ft6vIl__UOc9tpQZEiFW7jWmID79WkfYLHFjuChTVKGMLDa8YcZj6z5Sq-pXPE9VbAbJ5L1JRqXOey3QGtZgJeIEww_WWD5nMMUfhLIydD2i7eDmVoUE5EIZPpsevJmjiGLw4vJk='
const TELETHON_V6 =
  '1ASABCyjyPfABAAAAAAAAAA4Bu4pveAFWSE51_trKsrRQeMvGXMl8fI6NsGaWqdrXXeqyaXne9qNthqnrBmH56kHfOhFUCPSoVzNNrGgnQr67AYQbkhpP_Yml2EDd8epdc6Gywh4q2NBgYyW6VBT8UKg89-FebYTO6n47I1cJMGsSZ1ddxEOpIpHXsSmPdGBSTz6uaHbLYo0jnxd59PQn4H4dKb8FxuOQsUVa3vY_o79HMVMQRVT1IksUKFg5gAe5ZJ0yx6W4pMviVbC-TYZC0HInmv2fFMv-S3rQyg1C7qpU-Gbo1P6UZC4KZGmu2pMJooFNyfRbFgl3BI5Z-FNx9TKu4UFrF9G6Q0l8PjPXOZm4j-c='
const PYROGRAM =
  'AgAyyvcBTk6KssqikKPxEhxfXJpkoFIgQ_o8VpCk_4g0tcHe0rVCXx34AaDKvaNOlbkJOZ4jA3AI8iDYkI2opuifbM_7S2u9MMdnrjfg5jpfkXfI9-wF8DK_UBGIe1zk_Ibn0IHLRz-lkb-QqZNhh8O8Ggb8cieamatEYwLrkjkZR7JG53q76F0ktUd22L6_bUlp9p_qgXqBg8vZdkIIs9T1OiShw2X6TNO0lYqfJVaczMVQcT9Zt0FiyrAMpovFuT7-96OFKWcQ9gzrs_SHfz9HrQgBwvNSdkVziXTtxLJXsaNz3smGeyh-CEuEgdF3enIECnzftlvvUClLN_ylcPir1bi4_wAAAAEqEi1JAA'
const PYROGRAM_OLD =
  'AgEWdHMtuA1pC01YkNiHpL1bC0yBC3wzGZCwSRWKlA_a69RhePUN3M51NpnwSXrW3pZV9FS8WjAwUkA23uT_49t8c7Umw3ihhKD6-hTpZ5wXC2MuC0EsF0-Z6WshYhT3gmN6QhEt0jlXo5cW1BJ3MYmXtsTWNf_hJfd3_wF_ZFa58ntVV-3qd08wQRhiL_IxM7L5YazjPw0dg2z92CqRARku_oq5D29V6W6bo8T-SLzF_ujj5ZcAQL25mJtCcXfhhjp9atxcrqnKzEs05xyrehnlJZKoGmnX0mF2P_6wUHqZC9tcTBUV4AmFcbuy7m_4SYLnJ8MbftNs7aWHHNcB1R4fAAAAASoSLUkA'

describe('session strings of other libraries', () => {
  test.each<[string, string, Partial<SessionParts>, string]>([
    [
      'Telethon',
      TELETHON,
      { format: 'telethon', dc: 2, address: { host: '149.154.167.40', port: 80 } },
      '28494b5ff1c142b4',
    ],
    [
      'Telethon over IPv6',
      TELETHON_V6,
      { format: 'telethon', dc: 1, address: { host: '2001:b28:f23d:f001::e', port: 443 } },
      '8a6f780156484e75',
    ],
    [
      'Pyrogram 2',
      PYROGRAM,
      { format: 'pyrogram', dc: 2, apiId: 3328759, isTest: true, self: { userId: 5000801609, isBot: false } },
      '4e4e8ab2caa290a3',
    ],
    [
      'Pyrogram 1',
      PYROGRAM_OLD,
      { format: 'pyrogram', dc: 2, isTest: true, self: { userId: 5000801609, isBot: false } },
      '1674732db80d690b',
    ],
  ])('of %s are parsed', (_, text, expected, key) => {
    const session = readSession(text)
    expect(session).toMatchObject(expected)
    expect(session.key.toString('hex')).toMatch(new RegExp(`^${key}`))
    expect(session.key).toHaveLength(256)
  })

  test('are written exactly as they were', () => {
    expect(writeSession('telethon', readSession(TELETHON), 1)).toBe(TELETHON)
    expect(writeSession('telethon', readSession(TELETHON_V6), 1)).toBe(TELETHON_V6)
    expect(writeSession('pyrogram', readSession(PYROGRAM), 3328759)).toBe(PYROGRAM)
  })
})

const FORMATS: readonly SessionFormat[] = ['mtcute', 'telethon', 'pyrogram']

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const hosts = fc.oneof(
  fc.ipV4(),
  // In the canonical form that URL uses.
  fc
    .ipV6()
    .filter((host) => !host.includes('.'))
    .map((host) => new URL(`http://[${host}]`).hostname.slice(1, -1)),
)
const sessions = fc
  .record({
    dc: fc.integer({ min: 1, max: 5 }),
    host: hosts,
    port: fc.integer({ min: 1, max: 65_535 }),
    isTest: fc.boolean(),
    userId: fc.integer({ min: 1, max: 2 ** 52 }),
    isBot: fc.boolean(),
    key: bytes(256).filter((key) => key.some((byte) => byte !== 0)),
  })
  .map(({ host, port, userId, isBot, key, ...rest }) => ({
    ...rest,
    address: { host, port },
    self: { userId, isBot },
    key: Buffer.from(key),
  }))

test('every format preserves what it can hold of a session, and is recognized', () => {
  fc.assert(
    fc.property(sessions, fc.constantFrom(...FORMATS), (session, format) => {
      const text = writeSession(format, { format, ...session }, 77)
      const { self, address, isTest, ...always } = session
      expect(readSession(text)).toEqual({
        format,
        ...always,
        isTest: format === 'telethon' ? false : isTest,
        ...(format !== 'telethon' && { self }),
        ...(format !== 'pyrogram' && { address }),
        ...(format === 'pyrogram' && { apiId: 77 }),
      })
    }),
    { numRuns: 300 },
  )
})

test("mtcute parses our strings, and we parse mtcute's", () => {
  fc.assert(
    fc.property(sessions, ({ address: { host, port }, self, isTest, dc, key }) => {
      const ours = writeSession(
        'mtcute',
        { format: 'mtcute', dc, isTest, self, key, address: { host, port } },
        1,
      )
      const theirs = readStringSession(ours)
      expect(theirs.primaryDcs.main).toMatchObject({ id: dc, ipAddress: host, port, testMode: isTest })
      expect(theirs.self).toMatchObject(self)
      expect(Buffer.from(theirs.authKey)).toEqual(key)
      expect(readSession(writeStringSession({ ...theirs, version: 3 }))).toMatchObject({
        dc,
        address: { host, port },
        self,
        isTest,
      })
    }),
    { numRuns: 100 },
  )
})

test('a session of GramJS is parsed, with its address as text', () => {
  const host = Buffer.from('149.154.167.91')
  const head = Buffer.from([4, 0, host.length])
  const text = `1${Buffer.concat([head, host, Buffer.from([1, 187]), Buffer.alloc(256, 7)]).toString('base64')}`
  expect(readSession(text)).toMatchObject({
    format: 'gramjs',
    dc: 4,
    address: { host: '149.154.167.91', port: 443 },
  })
})

describe('an invalid session string', () => {
  test.each<[string, string, RegExp]>([
    ['a text', 'my session', /contains invalid characters/],
    ['a truncated one', PYROGRAM.slice(0, 300), /was cut/],
    ['a truncated one of Telethon', TELETHON.slice(0, 300), /263 or 275/],
    ['one with an empty key', `1${Buffer.alloc(263).toString('base64')}`, /its key is empty/],
    ['a truncated one of mtcute', Buffer.from([3, 0, 0, 0, 0, 9]).toString('base64url'), /was cut/],
  ])('(%s) is refused with a reason', (_, text, reason) => {
    expect(() => readSession(text)).toThrow(
      expect.objectContaining({ code: 'mtproto.session', message: expect.stringMatching(reason) }),
    )
  })

  test('is never repeated in the error', () => {
    const near = fc
      .tuple(
        fc.constantFrom(TELETHON, TELETHON_V6, PYROGRAM, PYROGRAM_OLD),
        fc.nat(400),
        fc.string({ maxLength: 3 }),
      )
      .map(([text, at, noise]) => `${text.slice(0, at)}${noise}${text.slice(at + 1)}`)
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ maxLength: 500 })), (text) => {
        try {
          readSession(text)
        } catch (error) {
          const { message, code } = error as { message: string; code: unknown }
          expect(code).toBe('mtproto.session')
          for (let at = 0; at + 12 <= text.length; at += 4)
            expect(message).not.toContain(text.slice(at, at + 12))
        }
      }),
      { numRuns: 500 },
    )
  })
})
