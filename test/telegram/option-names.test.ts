import { createTelegram, startTelegram, type TelegramOptions } from '../../src/telegram/index.js'

test.each<[string, object, string]>([
  [
    'a slip',
    { clok: 'virtual' },
    'there is no option "clok". Did you mean "clock"? Options: clock, patience',
  ],
  [
    'what no option is called like',
    { colour: 'red' },
    'there is no option "colour". Options: clock, patience',
  ],
])('%s is refused, for time would be real without a word', async (_, options, message) => {
  expect(() => createTelegram(options)).toThrow(
    expect.objectContaining({
      code: 'option.unknown',
      message: expect.stringContaining(`createTelegram: ${message}`),
    }),
  )
  await expect(startTelegram(options)).rejects.toMatchObject({
    code: 'option.unknown',
    message: expect.stringContaining(`startTelegram: ${message}`),
  })
})

test('a port is for a Telegram that has one', () => {
  expect(() => createTelegram({ port: 8081 } as TelegramOptions)).toThrow(
    'createTelegram: there is no option "port".',
  )
})

test('a clock that is none is named', () => {
  expect(() => createTelegram({ clock: 'vitual' as 'virtual' })).toThrow(
    `createTelegram: "vitual" is not a clock. Use 'real', 'virtual' or`,
  )
})
