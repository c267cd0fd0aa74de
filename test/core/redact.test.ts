import { errorText, redacted } from '../../src/core/redact.js'

describe('redaction', () => {
  test('removes tokens anywhere in a text', () => {
    const url = 'http://127.0.0.1:8081/bot7000000001:pitUQaTxlUUWo8vxgWkIET6ITmD7StItwds/sendMessage'
    expect(redacted(`request to ${url} failed`)).toBe(
      'request to http://127.0.0.1:8081/bot7000000001:<redacted>/sendMessage failed',
    )
    expect(errorText(new Error(`request to ${url} failed`))).not.toContain('pitUQ')
  })

  test.each(['12345', '1234567890123456'])('removes the token of a bot whose id is %s', (id) => {
    expect(redacted(`bot${id}:pitUQaTxlUUWo8vxgWkIET6ITmD7StItwds`)).toBe(`bot${id}:<redacted>`)
  })

  test('removes the password of a connection string', () => {
    expect(redacted('connect redis://user:hunter2@cache:6379/0')).toBe(
      'connect redis://user:<redacted>@cache:6379/0',
    )
    expect(redacted('connect postgres://app:p%40ss@db/app')).toBe('connect postgres://app:<redacted>@db/app')
  })

  test.each([
    ['redis://:p@ssw0rd@localhost:6379', 'redis://:<redacted>@localhost:6379'],
    ['postgres://bot:hun@ter@2@db.local/x@y', 'postgres://bot:<redacted>@db.local/x@y'],
  ])('removes all of a password that contains an @: %s', (url, told) => {
    expect(redacted(`connect ${url}, tell me@example.org`)).toBe(`connect ${told}, tell me@example.org`)
  })

  test('ends a password at the end of its connection string', () => {
    expect(redacted('{"url":"redis://:secret@db","mail":"x@example.org"}')).toBe(
      '{"url":"redis://:<redacted>@db","mail":"x@example.org"}',
    )
  })

  test('removes a token that is percent-encoded in a URL', () => {
    expect(redacted('/?url=bot7000000001%3ApitUQaTxlUUWo8vxgWkIET6ITmD7StItwds%2FgetMe')).toBe(
      '/?url=bot7000000001%3A<redacted>%2FgetMe',
    )
  })

  test.each(['a://:', 'a://b:@', 'a://b:c@/', '@', '1234567%3A', 'a'])(
    'takes linear time for many repetitions of %s',
    (part) => {
      const time = (many: number): number => {
        const text = `a://b:${part.repeat(many)}`
        const from = performance.now()
        redacted(text)
        return performance.now() - from
      }
      // In quadratic time this would take minutes.
      expect(time(500_000)).toBeLessThan(5000)
    },
  )

  test('leaves other texts unchanged', () => {
    const text = 'at 12:30:45 chat -1001234567890 said 10:11'
    expect(redacted(text)).toBe(text)
  })

  test('accepts values that are not errors', () => {
    expect(errorText(undefined)).toBe('undefined')
    expect(errorText(Object.create(null))).toBe('a value without a text')
  })
})
