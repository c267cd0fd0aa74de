import { errorText, redacted } from '../../src/core/redact.js'

describe('what is logged', () => {
  test('carries no token, wherever it stands', () => {
    const url = 'http://127.0.0.1:8081/bot7000000001:pitUQaTxlUUWo8vxgWkIET6ITmD7StItwds/sendMessage'
    expect(redacted(`request to ${url} failed`)).toBe(
      'request to http://127.0.0.1:8081/bot7000000001:<redacted>/sendMessage failed',
    )
    expect(errorText(new Error(`request to ${url} failed`))).not.toContain('pitUQ')
  })

  test.each(['12345', '1234567890123456'])('carries no token of a bot whose id is %s', (id) => {
    expect(redacted(`bot${id}:pitUQaTxlUUWo8vxgWkIET6ITmD7StItwds`)).toBe(`bot${id}:<redacted>`)
  })

  test('carries no password of a connection string', () => {
    expect(redacted('connect redis://user:hunter2@cache:6379/0')).toBe(
      'connect redis://user:<redacted>@cache:6379/0',
    )
    expect(redacted('connect postgres://app:p%40ss@db/app')).toBe('connect postgres://app:<redacted>@db/app')
  })

  test('leaves other texts alone', () => {
    const text = 'at 12:30:45 chat -1001234567890 said 10:11'
    expect(redacted(text)).toBe(text)
  })

  test('tells what is no error, too', () => {
    expect(errorText(undefined)).toBe('undefined')
  })
})
