import { Bot } from 'grammy'
import { sentinel } from '../../src/index.js'
import type { WebhookOptions } from '../../src/webhook/index.js'

const bot = () => new Bot('42:token')

test.each([
  [{ secret: 'with spaces' }, 'option.invalid', /webhook\.secret: .*letters/],
  [{ secret: '' }, 'option.invalid', /webhook\.secret/],
  [{ secret: 7 }, 'option.invalid', /webhook\.secret/],
  [{ maxBody: 0 }, 'option.invalid', /webhook\.maxBody/],
  [{ timeout: 'ten' }, 'duration.invalid', /webhook\.timeout/],
  [{ onThrow: 'ignore' }, 'option.invalid', /webhook\.onThrow/],
  [{ addresses: 'telegramm' }, 'option.invalid', /webhook\.addresses/],
  [{ addresses: ['10.0.0'] }, 'option.invalid', /webhook\.addresses: "10\.0\.0" is not a network/],
  [{ addresses: ['10.0.0.0/33'] }, 'option.invalid', /webhook\.addresses/],
  [{ addresses: 'telegram', proxies: ['::g'] }, 'option.invalid', /webhook\.proxies/],
  [{ proxies: ['1.2.3.4/33'] }, 'option.invalid', /webhook\.proxies: "1\.2\.3\.4\/33" is not a network/],
  [{ secrets: 'x' }, 'option.unknown', /webhook\.secrets.*secret/s],
])('%j is refused when the webhook is created', (options, code, message) => {
  const make = () => sentinel().webhook(bot(), options as WebhookOptions)
  expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
})

test('an error about a secret does not contain it', () => {
  const make = () => sentinel().webhook(bot(), { secret: 'hunter 2' })
  expect(make).toThrow(expect.not.objectContaining({ message: expect.stringContaining('hunter') }))
})

test('a missing secret causes a warning, and so does missing once', () => {
  const warnings: string[] = []
  const guard = sentinel({ once: false })
  guard.on('warning', ({ code }) => warnings.push(code))
  guard.webhook(bot())
  expect(warnings).toEqual(['webhook.unsecured', 'webhook.duplicates'])
})

test('a bot cannot poll and use a webhook at the same time', () => {
  const own = bot()
  sentinel().webhook(own, { secret: 'x' })
  expect(() => own.start()).toThrow(expect.objectContaining({ code: 'bot.started' }))
})
