import { createTelegram, startTelegram, type TelegramOptions } from '../../src/telegram/index.js'

test.each<[string, object, string]>([
  [
    'a typo',
    { clok: 'virtual' },
    'there is no option "clok". Did you mean "clock"? Options: clock, patience',
  ],
  ['an unknown name', { colour: 'red' }, 'there is no option "colour". Options: clock, patience'],
])(
  '%s is refused, because an ignored clock option would leave the real clock on',
  async (_, options, message) => {
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
  },
)

test('createTelegram() refuses a port, which only startTelegram() has', () => {
  expect(() => createTelegram({ port: 8081 } as TelegramOptions)).toThrow(
    'createTelegram: there is no option "port".',
  )
})

test('an invalid clock is named', () => {
  expect(() => createTelegram({ clock: 'vitual' as 'virtual' })).toThrow(
    `createTelegram: "vitual" is not a clock. Use 'real', 'virtual' or`,
  )
})
