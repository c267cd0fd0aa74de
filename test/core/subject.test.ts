import fc from 'fast-check'
import { SentinelError } from '../../src/core/errors.js'
import {
  chatKey,
  commandKey,
  GLOBAL_KEY,
  type Key,
  keySubject,
  keyText,
  memberKey,
  ownKey,
  type Subject,
  type SubjectRef,
  senderKey,
  subject,
  subjectKey,
  textKey,
  userKey,
} from '../../src/core/subject.js'

/** Ids of every size, often near the limit between keys that are numbers and keys that are texts. */
const ids = fc.oneof(
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: -1 }),
  fc.integer({ min: -1000, max: 1000 }).filter((id) => id !== 0),
  fc.constantFrom(
    ...[2 ** 43, 2 ** 44, 2 ** 52, 2 ** 53 - 2].flatMap((id) => [id - 1, id, id + 1, 1 - id, -id, -1 - id]),
  ),
  fc.constantFrom(1, -1, 7, 1087968824, 136817688, 777000, -1001234567890, -1002147483647),
)
const commands = fc.stringMatching(/^[a-z0-9_]{1,64}$/)
const ownNames = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 64 }),
  fc.string({
    unit: fc.constantFrom(':', '{', '}', '\0', '@', '/', ' ', '-', 'u', 'k', '1', '\n'),
    minLength: 1,
    maxLength: 256,
  }),
  fc.constantFrom('u1', 'k', 'g', 'm-100:u1', '{42}:x', '\0', '__proto__', 'x'.repeat(256)),
)
const connections = fc.stringMatching(/^[\w-]{0,64}$/)
const plain = fc.oneof(
  ids.map((id) => subject.user(Math.abs(id))),
  ids.map((id) => subject.chat(id)),
  fc.tuple(ids, connections).map(([id, connection]) => subject.chat(id, connection)),
  ids.map((id) => subject.sender(-Math.abs(id))),
)
const leaf = fc.oneof(
  plain,
  ownNames.map((name) => subject.own(name)),
  fc.constant(subject.global()),
)
const member = fc
  .tuple(leaf, ids, fc.option(connections, { nil: undefined }))
  .map(([actor, chat, connection]) => subject.member(actor, chat, connection))
const subjects: fc.Arbitrary<SubjectRef> = fc.oneof(
  leaf,
  member,
  fc.tuple(fc.oneof(leaf, member), commands).map(([actor, command]) => subject.command(actor, command)),
)

function codeOf(attempt: () => unknown): string {
  try {
    attempt()
  } catch (error) {
    expect(error).toBeInstanceOf(SentinelError)
    return (error as SentinelError).code
  }
  return 'it was taken'
}

describe('a key', () => {
  test.each<[Key, string]>([
    [userKey(1), 'u1'],
    [userKey(2 ** 43), `u${2 ** 43}`],
    [chatKey(-1001234567890), 'c-1001234567890'],
    [senderKey(-1001234567890), 's-1001234567890'],
    [memberKey(userKey(1), -100), 'm-100:u1'],
    [chatKey(1, 'aB_0-'), 'c1@aB_0-'],
    [memberKey(userKey(1), 1, 'aB_0-'), 'm1@aB_0-:u1'],
    [commandKey(userKey(1), 'buy'), 'xbuy:u1'],
    [commandKey(memberKey(userKey(1), -100), 'buy'), 'xbuy:m-100:u1'],
    [ownKey('a:{b}\0'), 'ka:{b}\0'],
    [GLOBAL_KEY, 'g'],
  ])('converts %p to %j and back', (key, text) => {
    expect(keyText(key)).toBe(text)
    expect(textKey(text)).toBe(key)
  })

  test('is a positive safe integer for every id that Telegram assigns, and a text for larger ids', () => {
    fc.assert(
      fc.property(ids, fc.constantFrom(userKey, chatKey, senderKey), (id, keyOf) => {
        const key = keyOf(id)
        expect(typeof key).toBe(Math.abs(id) < 2 ** 43 ? 'number' : 'string')
        if (typeof key === 'number') expect(Number.isSafeInteger(key) && key > 0).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  test('differs from the key of any other kind or id', () => {
    const keyOf = { user: userKey, chat: chatKey, sender: senderKey }
    const kinds = fc.constantFrom('user', 'chat', 'sender')
    fc.assert(
      fc.property(kinds, ids, kinds, ids, (kind, id, otherKind, otherId) => {
        const same = kind === otherKind && id === otherId
        expect(keyOf[kind](id) === keyOf[otherKind](otherId)).toBe(same)
      }),
      { numRuns: 5000 },
    )
    // At the edges: the last id of one kind and the first of the next.
    const edges = [2 ** 43 - 1, 2 ** 43, 1 - 2 ** 43, -(2 ** 43)]
    const keys = edges.flatMap((id) => [userKey(id), chatKey(id), senderKey(id)])
    expect(new Set(keys).size).toBe(12)
    expect(new Set(keys.map(keyText)).size).toBe(12)
  })

  test('converts to its subject and to its text, and back', () => {
    fc.assert(
      fc.property(subjects, (ref) => {
        const key = subjectKey(ref)
        const text = keyText(key)
        expect(keySubject(key)).toEqual(ref)
        expect(keySubject(text)).toEqual(ref)
        expect(textKey(text)).toBe(key)
        expect(keyText(textKey(text))).toBe(text)
      }),
      { numRuns: 3000 },
    )
  })

  test('differs for different subjects', () => {
    fc.assert(
      fc.property(subjects, subjects, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other)
        expect(keyText(subjectKey(one)) === keyText(subjectKey(other))).toBe(same)
      }),
      { numRuns: 3000 },
    )
  })

  test('parsed from any text is written back unchanged, or the text is refused with a code', () => {
    const near = fc.string({
      unit: fc.constantFrom('u', 'c', 's', 'm', 'x', 'k', 'g', ':', '-', '@', '0', '1', '9', 'a'),
      maxLength: 12,
    })
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit: 'binary' })), (text) => {
        let key: Key
        try {
          key = textKey(text)
        } catch (error) {
          expect((error as SentinelError).code).toBe('subject.invalid')
          return
        }
        expect(keyText(key)).toBe(text)
      }),
      { numRuns: 5000 },
    )
  })

  test.each([
    '',
    'u',
    'u0',
    'u-0',
    'u007',
    'u1.5',
    'u1e3',
    'u 1',
    'u+1',
    'uNaN',
    `u${2 ** 53}`,
    'u99999999999999999',
    'z1',
    'c',
    's',
    'm',
    'm1',
    'm0:u1',
    'm-100:',
    'm-100:u0',
    `m${2 ** 53}:u1`,
    'mx:u1',
    'c1@',
    'c@a',
    'c1@a@b',
    'c1@a:b',
    `c1@${'a'.repeat(65)}`,
    'u1@a',
    's-1@a',
    'm1@:u1',
    'm1@a',
    'x',
    'x:u1',
    'xbuy',
    'xbuy:',
    'xBuy:u1',
    'xa:b:u1',
    `x${'a'.repeat(65)}:u1`,
    'k',
    `k${'a'.repeat(257)}`,
    'k\ud800',
    'g1',
    'undefined1',
    `${'m1:'.repeat(4)}u1`,
    `${'m1:'.repeat(100_000)}u1`,
  ])('is not parsed from %j', (text) => {
    expect(codeOf(() => textKey(text))).toBe('subject.invalid')
  })

  test.each([0, 1, -1, 2 ** 44, 2 ** 46, Number.NaN, Number.POSITIVE_INFINITY])(
    'is not the number %d, which is outside the range of ids',
    (number) => {
      expect(codeOf(() => keySubject(number))).toBe('subject.invalid')
    },
  )
})

describe('a subject', () => {
  test('given as a number is a user', () => {
    expect(subjectKey(7)).toBe(userKey(7))
    expect(subjectKey(subject.user(7))).toBe(userKey(7))
  })

  test('that is a chat differs from the same chat as a sender', () => {
    expect(subjectKey(subject.chat(-100))).not.toBe(subjectKey(subject.sender(-100)))
  })

  test('that is a chat of a business account differs from the chat with the same id, and is named by its connection', () => {
    expect(subject.chat(7, 'connection')).toEqual({ kind: 'chat', id: 7, name: 'connection' })
    expect(subjectKey(subject.chat(7, 'connection'))).toBe(chatKey(7, 'connection'))
    expect(subjectKey(subject.chat(7, 'connection'))).not.toBe(chatKey(7))
    expect(subjectKey(subject.member(1, 7, 'connection'))).toBe(memberKey(userKey(1), 7, 'connection'))
    // The facts of ordinary chats have no connection.
    expect(subject.chat(7, undefined)).toEqual(subject.chat(7))
    expect(subjectKey(subject.member(1, 7, ''))).toBe(memberKey(userKey(1), 7))
    // map() passes an index, which is not a connection.
    expect([7, 8].map(subject.chat)).toEqual([subject.chat(7), subject.chat(8)])
  })

  test('that is a group or channel has no connection, because its id is the same for everybody', () => {
    expect(subject.chat(-100, 'connection')).toEqual(subject.chat(-100))
    expect(subject.member(1, -100, 'connection')).toEqual(subject.member(1, -100))
    expect(subjectKey({ kind: 'chat', id: -100, name: 'connection' })).toBe(chatKey(-100))
    expect(subjectKey({ ...subject.member(1, -100), name: 'connection' })).toBe(memberKey(userKey(1), -100))
    for (const text of ['c-100@connection', 'm-100@connection:u1']) {
      expect(codeOf(() => textKey(text))).toBe('subject.invalid')
    }
  })

  test.each(['a:b', 'a@b', '{a}', '\0', 'ключ', '\ud800', ' ', 'x'.repeat(300)])(
    'with the connection %j, which Telegram does not use, has a text that can be read',
    (connection) => {
      for (const key of [chatKey(7, connection), memberKey(userKey(1), 7, connection)]) {
        expect(textKey(keyText(key))).toBe(key)
      }
    },
  )

  test('accepts a command with or without its slash, in any case', () => {
    expect(subject.command(7, '/Buy')).toEqual(subject.command(7, 'buy'))
  })

  const itself: { kind: 'member'; id: number; name: string; actor?: SubjectRef } = {
    kind: 'member',
    id: -100,
    name: '',
  }
  itself.actor = itself

  test.each<[unknown]>([
    [undefined],
    [null],
    ['7'],
    [7n],
    [true],
    [Symbol('user')],
    [() => 7],
    [0],
    [-0],
    [1.5],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [2 ** 53],
    [{}],
    [[]],
    [Object.create(null)],
    [JSON.parse('{"__proto__":{"kind":"user","id":7}}')],
    [{ kind: 'toString', id: 7, name: '' }],
    [{ kind: 'user', id: '7', name: '' }],
    [{ kind: 'user', id: Object.create(null), name: '' }],
    [{ kind: 'chat', name: '' }],
    [{ kind: 'sender', id: 0, name: '' }],
    [{ kind: 'member', id: -100, name: '' }],
    [{ kind: 'member', id: 0, name: '', actor: subject.user(7) }],
    [{ kind: 'command', id: 0, name: 'buy' }],
    [{ kind: 'command', id: 0, name: '', actor: subject.user(7) }],
    [{ kind: 'command', id: 0, name: 'a:b', actor: subject.user(7) }],
    [{ kind: 'command', id: 0, actor: subject.user(7) }],
    [{ kind: 'own', id: 0 }],
    [{ kind: 'own', id: 0, name: '' }],
    [{ kind: 'own', id: 0, name: 'a'.repeat(257) }],
    [{ kind: 'own', id: 0, name: 'half \ud83d' }],
    [itself],
  ])('is not %p', (junk) => {
    expect(codeOf(() => subjectKey(junk as Subject))).toBe('subject.invalid')
  })

  test('throws only its own error, for any input', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything({ withNullPrototype: true, withBigInt: true }),
          fc.record({
            kind: fc.constantFrom('user', 'chat', 'sender', 'member', 'command', 'own', 'global', 'other'),
            id: fc.anything({ withNullPrototype: true }),
            name: fc.anything({ withNullPrototype: true }),
            actor: fc.anything({ withNullPrototype: true }),
          }),
        ),
        (junk) => {
          try {
            subjectKey(junk as Subject)
          } catch (error) {
            expect((error as SentinelError).code).toBe('subject.invalid')
          }
        },
      ),
      { numRuns: 3000 },
    )
  })

  test.each<[string, () => unknown, RegExp]>([
    ['a user', () => subject.user(Number('x')), /^subject\.user: NaN is not a Telegram id\. Pass the number/],
    ['a chat', () => subject.chat(0), /^subject\.chat: 0 is not a Telegram id/],
    ['a sender', () => subject.sender(0.5), /^subject\.sender: 0\.5 is not a Telegram id/],
    [
      'a chat id as a user',
      () => subject.user(-100),
      /^subject\.user: -100 is the id of a chat.*subject\.chat\(-100\).*subject\.sender\(-100\)/,
    ],
    [
      'a chat id as a plain number',
      () => subjectKey(-100),
      /^subject: -100 is the id of a chat, not of a user/,
    ],
    ['a chat id as the actor', () => subject.member(-100, -100), /^subject: -100 is the id of a chat/],
    [
      'a chat id in a literal user',
      () => subjectKey({ kind: 'user', id: -1, name: '' }),
      /^subject\.user: -1 is the id of a chat/,
    ],
    [
      'a user id as a sender',
      () => subject.sender(5),
      /^subject\.sender: 5 is not the id of a.*subject\.user\(5\)/,
    ],
    ['a member', () => subject.member(7, 0), /^subject\.member: 0 is not a Telegram id/],
    [
      'a command',
      () => subject.command(7, 'buy now'),
      /^subject\.command: "buy now" is not a command\. Pass 1 to 64/,
    ],
    ['a command', () => subject.command(7, 7 as unknown as string), /^subject\.command: 7 is not a command/],
    ['an empty own key', () => subject.own(''), /^subject\.own: "" is not a key\. Pass a text of 1 to 256/],
    ['a number as an own key', () => subject.own(7 as unknown as string), /^subject\.own: 7 is not a key/],
    [
      'a text',
      () => subjectKey('@alice' as unknown as Subject),
      /^subject: "@alice" is not a subject\. Pass a user id/,
    ],
    [
      'the digits of an id as a text',
      () => subjectKey('123' as unknown as Subject),
      /^subject: "123" is not a subject\. Pass a user id \(the number 123\), or subject\.user/,
    ],
    ...['0', '00123', '99999999999999999999'].map((digits): [string, () => unknown, RegExp] => [
      `the digits ${digits}, which are no id`,
      () => subjectKey(digits as unknown as Subject),
      /^subject: "\d+" is not a subject\. Pass a user id, or subject\.user/,
    ]),
    [
      'a stored text',
      () => textKey('@alice'),
      /^subject: "@alice" does not name a subject\. Texts look like/,
    ],
  ])('refuses %s with its name, its value and the remedy', (_what, attempt, message) => {
    expect(attempt).toThrow(message)
    expect(codeOf(attempt)).toBe('subject.invalid')
  })
})
