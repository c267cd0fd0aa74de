import { expect, onTestFinished, test } from 'vitest'
import { flooded } from './conversation.mjs'

test('grammy-sentinel/testing under vitest', async () => {
  const { telegram, alice } = await flooded()
  onTestFinished(() => telegram.close())
  await expect(alice).toHear('Hello')
  expect(alice).toHaveHeard(/Slow down/)
  expect(alice).not.toHaveHeard('Never')
  expect(telegram).toHaveCalled('sendMessage', { chat_id: alice.id, text: expect.any(String) })
  await expect(expect(alice).toHear('Never', { timeout: '50ms' })).rejects.toThrow('Never')
  expect(() => expect(alice).toHaveHeard('Never')).toThrow('Never')
  expect(() => expect(telegram).not.toHaveCalled('sendMessage')).toThrow('sendMessage')
})
