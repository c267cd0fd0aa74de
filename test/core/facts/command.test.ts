import type { Message, Update, UserFromGetMe } from '@grammyjs/types'
import fc from 'fast-check'
import { Api, Context } from 'grammy'
import { describe as factsOf } from '../../../src/core/facts.js'
import { bot, read, reading, text } from './updates.js'

describe('a command', () => {
  const commandOf = (words: string, more: Pick<Partial<Message>, 'entities'> = {}) =>
    read({ message: { ...text(words), ...more } }).command

  test.each([
    ['/start', 'start'],
    ['/Start now', 'start'],
    ['/start\nnow', 'start'],
    ['/start@guard_bot', 'start'],
    ['/start@GUARD_Bot now', 'start'],
    ['/start@other_bot', undefined],
    ['/start@guard_bot2', undefined],
    ['/start@', 'start'],
    ['/start@ now', 'start'],
    ['/start@x', undefined],
    ['/ /start now', 'start'],
    ['/@ or /start now', 'start'],
    ['/bloc\u212a now', 'block'],
    ['/start@guard_bot/x', undefined],
    // Telegram ends the command before the punctuation, and grammY runs its handler.
    ['/start!', 'start'],
    ['/start, please', 'start'],
    ['/start/x', undefined],
    ['/start<x', undefined],
    ['/starté', undefined],
    ['/début', undefined],
    [' /start', undefined],
    ['say /start', undefined],
    ['/', undefined],
    ['start', undefined],
    ['', undefined],
    [`/${'a'.repeat(64)}`, 'a'.repeat(64)],
    [`/${'a'.repeat(65)}`, undefined],
    ['/__proto__', '__proto__'],
  ])('of the text %j is %p', (words, command) => {
    expect(commandOf(words)).toBe(command)
  })

  test('ends where its entity ends', () => {
    expect(commandOf('/starté', { entities: [{ type: 'bot_command', offset: 0, length: 6 }] })).toBe('start')
    expect(commandOf('/buy /b', { entities: [{ type: 'bot_command', offset: 5, length: 2 }] })).toBe('buy')
  })

  test('is read from a caption too', () => {
    const { text: _, ...message } = text('')
    const size = { file_id: 'f', file_unique_id: 'u', width: 1, height: 1 }
    expect(read({ message: { ...message, photo: [size], caption: '/upload it' } }).command).toBe('upload')
    const entities = [{ type: 'bot_command' as const, offset: 0, length: 7 }]
    expect(
      read({ message: { ...message, photo: [size], caption: '/uploadé', caption_entities: entities } })
        .command,
    ).toBe('upload')
  })

  test('addressed to a bot is not ours while our own username is unknown', () => {
    const facts = (words: string) => factsOf({ update_id: 1, message: text(words) })
    expect([facts('/start').command, facts('/start@guard_bot').command]).toEqual(['start', undefined])
  })

  test('is handledCommand exactly if bot.command() runs for it', () => {
    const { text: _, ...captioned } = text('')
    const names = ['start', 'Start', 'START', 'buy']
    const words = fc
      .tuple(fc.constantFrom(...names), fc.constantFrom('', '@guard_bot', '@Guard_Bot', '@other_bot', '@'))
      .map(([name, recipient]) => `/${name}${recipient}`)
    const lengths = fc.constantFrom(1, 4, 6, 16)
    const types = fc.constantFrom('bot_command' as const, 'code' as const)
    const offsets = fc.constantFrom(0, 0, 0, 1)
    const fields = fc.constantFrom(
      ...(['message', 'channel_post', 'edited_message', 'business_message', 'guest_message'] as const),
    )
    fc.assert(
      fc.property(
        words,
        lengths,
        types,
        offsets,
        fields,
        fc.boolean(),
        (command, cut, type, offset, kind, isText) => {
          const entity = { type, offset, length: cut === 1 ? command.length : cut }
          const message = isText
            ? { ...captioned, text: `${command} now`, entities: [entity] }
            : { ...captioned, photo: [], caption: `${command} now`, caption_entities: [entity] }
          const update = { update_id: 1, [kind]: message } as unknown as Update
          const facts = factsOf(update, reading)
          const ctx = new Context(update, new Api('1:token'), bot as UserFromGetMe)
          const handled = names.filter((name) => ctx.hasCommand(name))
          expect(names.filter((name) => facts.handledCommand === name)).toEqual(handled)
          // A limit or a gate for a command applies to everything that is handled as this command.
          for (const name of handled) expect(facts.command).toBe(name.toLowerCase())
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('is whatever @grammyjs/commands treats as one', () => {
    // The rule of Command.findMatchingCommand() with its default options, and with ignoreCase.
    const treatedAs = (words: string): string | undefined => {
      const found = /\/(?<command>[^@ ]+)(?:@(?<username>[^\s]*))?(?<rest>.*)/.exec(words)?.groups
      const { command, username = '' } = found ?? {}
      return words.startsWith('/') && (username === '' || username === 'guard_bot')
        ? command?.toLowerCase()
        : undefined
    }
    const pieces = fc.constantFrom(
      '/',
      '/',
      '@',
      ' ',
      '\n',
      '\u00a0',
      'x',
      'kick',
      'KICK',
      '\u212aick',
      'guard_bot',
    )
    let seen = 0
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 6 }), (parts) => {
        const words = `/${parts.join('')}`
        if (treatedAs(words) !== 'kick') return
        seen++
        expect(commandOf(words)).toBe('kick')
      }),
      { numRuns: 20_000 },
    )
    expect(seen).toBeGreaterThan(500)
  })

  test('is the same when it is read twice', () => {
    const facts = read({ message: text('/start') })
    expect([facts.command, facts.command]).toEqual(['start', 'start'])
  })
})
