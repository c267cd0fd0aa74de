// By node:test, which has no matchers: people and calls are looked at with node:assert.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flooded } from './conversation.mjs'

test('grammy-sentinel/testing under node:test', async (t) => {
  const { telegram, alice } = await flooded()
  t.after(() => telegram.close())
  assert.deepEqual(
    alice.heard.map(({ text }) => text),
    ['Hello', 'Slow down, please. Try again in 1m.'],
  )
  assert.equal(telegram.calls().filter(({ method }) => method === 'sendMessage').length, 2)
  await assert.rejects(alice.hears('Never', { timeout: '50ms' }), /Never/)
})
