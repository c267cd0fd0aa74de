import fc from 'fast-check'
import { Digest, describe as describeFacts, type Facts, UPDATE_KINDS } from '../../src/index.js'
import { glimpse } from '../../src/webhook/glimpse.js'
import { Parties } from '../../src/webhook/parties.js'
import { mutated, pick, randomOf, updateOf } from '../fuzz-updates.js'

const users = new Parties()
const chats = new Parties()
const reading = { username: 'guarded_bot', digest: Digest.random() }

/** The facts that decisions use. */
const READ = [
  'updateId',
  'kind',
  'activity',
  'actor',
  'actorId',
  'actorKind',
  'chatId',
  'chatType',
  'connection',
  'album',
  'cost',
  'inGroup',
] as const
/** Facts that a glimpse does not contain, and whose use it reports. */
const ASKED = [
  'command',
  'handledCommand',
  'fingerprint',
  'languageCode',
  'subject',
  'target',
  'repliedTo',
  'user',
] as const

/** Mostly kinds that a glimpse can read. */
const SEEN = [...(['message', 'message', 'edited_message', 'inline_query'] as const), ...UPDATE_KINDS]

/** Checks that the glimpse is undefined, or equals the result of the parser. Returns whether there was one. */
function compare(text: string): boolean {
  const seen = glimpse(text, reading, users, chats)
  // Cached subjects of earlier updates make no difference.
  const afresh = glimpse(text, reading)
  if (seen === undefined) {
    expect(afresh).toBeUndefined()
    return false
  }
  for (const name of READ) same(name, seen, afresh as Facts)
  // Throws for invalid JSON: there must be no glimpse of such a text.
  const real = describeFacts(JSON.parse(text), reading)
  for (const name of READ) same(name, seen, real)
  if (seen.doubted) throw new Error('in doubt without having been asked')
  for (const name of ASKED) same(name, seen, real)
  return true
}

/** Limits the depth: the text of some mutations would be endless. */
function cut(value: unknown, depth = 8): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth === 0) return null
  if (Array.isArray(value)) return value.map((item) => cut(item, depth - 1))
  const fields: Record<string, unknown> = Object.create(null)
  for (const [name, field] of Object.entries(value)) fields[name] = cut(field, depth - 1)
  return fields
}

/** Faster than expect(), as this runs a million times. */
function same(name: (typeof READ)[number] | (typeof ASKED)[number], seen: Facts, real: Facts): void {
  if (Object.is(seen[name], real[name])) return
  expect([name, seen[name]]).toEqual([name, real[name]])
}

const alice = { id: 7, is_bot: false, first_name: 'Alice', username: 'alice' }
const mallory = { id: 666, is_bot: false, first_name: 'Mallory' }
const chat = { id: 7, type: 'private', first_name: 'Alice' }
const group = { id: -1001000000001, type: 'supergroup', title: 'Plaza' }
const said = { message_id: 1, from: alice, chat, date: 0, text: 'hello' }

describe('a glimpse finds the actor', () => {
  test.each([
    ['a message', { message: said }],
    ['an edit', { edited_message: { ...said, edit_date: 1 } }],
    ['a photo of an album', { message: { ...said, text: undefined, photo: [], media_group_id: 'a' } }],
    [
      'a channel in a group',
      { message: { ...said, chat: group, sender_chat: { id: -1003, type: 'channel' } } },
    ],
    ['an anonymous administrator', { message: { ...said, chat: group, sender_chat: group } }],
    ['a reply to somebody', { message: { ...said, reply_to_message: { ...said, from: mallory } } }],
    ['a forward', { message: { ...said, forward_origin: { type: 'user', sender_user: mallory } } }],
    ['a text full of quotes', { message: { ...said, text: '"from":{"id":666}, \\"from\\":{"id":666}' } }],
    ['a name full of braces', { message: { ...said, from: { ...alice, first_name: '}},"id":666,{' } } }],
    ['an inline query', { inline_query: { id: 'q', from: alice, query: 'cats', offset: '' } }],
    ['a reaction', { message_reaction: { chat: group, user: alice, message_id: 1, old_reaction: [] } }],
    [
      'a command',
      { message: { ...said, text: '/start', entities: [{ type: 'bot_command', offset: 0, length: 6 }] } },
    ],
  ])('%s', (_, update) => {
    expect(compare(JSON.stringify({ update_id: 1, ...update }))).toBe(true)
    // As Telegram writes it: one line for each field, non-ASCII characters escaped.
    expect(compare(JSON.stringify({ update_id: 1, ...update }, null, 1))).toBe(true)
  })

  test.each([
    ['a slash', '/start'],
    ['a slash behind a backslash, as PHP writes it', '\\/start'],
    ['a slash by its number', '\\u002fstart'],
  ])('of a command, written with %s', (_, written) => {
    const text = JSON.stringify({ update_id: 1, message: { ...said, text: 'WORDS' } }).replace(
      'WORDS',
      written,
    )
    expect(compare(text)).toBe(true)
    expect(glimpse(text, reading)?.command).toBe('start')
  })
})

describe('a glimpse is in doubt about', () => {
  const own = JSON.stringify(said)
  test.each([
    ['a body without an update id', `{"message":${own}}`],
    ['a payment', `{"update_id":1,"message":${JSON.stringify({ ...said, successful_payment: {} })}}`],
    ['a checkout', '{"update_id":1,"pre_checkout_query":{"id":"q","from":{"id":7}}}'],
    [
      'a tapped button, which is to be answered',
      '{"update_id":1,"callback_query":{"id":"q","from":{"id":7}}}',
    ],
    ['a service message', `{"update_id":1,"message":${JSON.stringify({ ...said, pinned_message: {} })}}`],
    ['a field it does not know', `{"update_id":1,"message":${JSON.stringify({ ...said, new: 1 })}}`],
    ['two senders', `{"update_id":1,"message":{"from":{"id":666},${own.slice(1)}}`],
    ['a sender with two ids', '{"update_id":1,"message":{"from":{"id":666,"id":7}}}'],
    ['a name that is escaped', '{"update_id":1,"message":{"fr\\u006fm":{"id":666},"from":{"id":7}}}'],
    ['two updates in one', `{"update_id":1,"message":${own},"edited_message":${own}}`],
    ['an update twice', `{"update_id":1,"message":${own},"message":${own}}`],
    ['a sender who is not an object', '{"update_id":1,"message":{"from":7,"text":"x"}}'],
    ['an id with a fraction', '{"update_id":1,"message":{"from":{"id":7.0},"text":"x"}}'],
    [
      'an id past what a double holds',
      '{"update_id":1,"message":{"from":{"id":9007199254740993},"text":"x"}}',
    ],
    ['something behind the end', `{"update_id":1,"message":${own}}{}`],
    ['a body without an end', `{"update_id":1,"message":${own}`],
    ['a string with a line in it', '{"update_id":1,"message":{"from":{"id":7},"text":"a\nb"}}'],
    ['a bad escape', '{"update_id":1,"message":{"from":{"id":7},"text":"\\x"}}'],
    ['a bad number', '{"update_id":1,"message":{"from":{"id":7},"date":01}}'],
    ['a comma too many', '{"update_id":1,"message":{"from":{"id":7},"text":"x",}}'],
    ['too deep a nest', `{"update_id":1,"message":{"photo":${'['.repeat(99)}${']'.repeat(99)}}}`],
  ])('%s', (_, text) => {
    expect(glimpse(text, reading)).toBeUndefined()
  })
})

describe('fuzzed against the parser, a glimpse is undefined or equal', () => {
  test('for updates of every kind, and mutated ones', () => {
    const random = randomOf(20_260_101)
    let seen = 0
    for (let i = 0; i < 10_000; i++) {
      const update = updateOf({ kind: pick(random, SEEN), id: i }, random)
      const body = random() < 0.5 ? update : mutated(update, random)
      if (compare(JSON.stringify(cut(body)))) seen++
    }
    // If every glimpse were undefined, this test would prove nothing.
    expect(seen).toBeGreaterThan(1000)
  })

  test('for bodies with characters changed, removed or doubled', () => {
    const random = randomOf(7)
    const letters = '{}[]":,\\/ \n\t0123456789-+.eEtrufalsn\u0000\u00e9\u2028'
    let seen = 0
    for (let i = 0; i < 10_000; i++) {
      let text = JSON.stringify(updateOf({ kind: pick(random, SEEN), id: i }, random))
      const changes = Math.floor(random() * 3)
      for (let k = 0; k < changes; k++) {
        const at = Math.floor(random() * text.length)
        const put = random() < 0.3 ? '' : (letters[Math.floor(random() * letters.length)] as string)
        text = text.slice(0, at) + put + text.slice(at + (random() < 0.5 ? 1 : 0))
      }
      try {
        if (compare(text)) seen++
      } catch (error) {
        throw new Error(`differs for ${JSON.stringify(text)}`, { cause: error })
      }
    }
    expect(seen).toBeGreaterThan(300)
  })

  test('for any JSON in any field', () => {
    const field = fc.constantFrom(
      ...[
        'from',
        'chat',
        'sender_chat',
        'text',
        'caption',
        'media_group_id',
        'photo',
        'date',
        'reply_to_message',
      ],
      ...['is_automatic_forward', 'successful_payment', '__proto__', 'constructor', 'update_id', 'id'],
    )
    const party = fc.record(
      { id: fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.jsonValue()), type: fc.jsonValue() },
      { requiredKeys: [] },
    )
    const payload = fc.dictionary(field, fc.oneof(party, fc.string(), fc.jsonValue({ maxDepth: 3 })), {
      maxKeys: 8,
    })
    const kind = fc.constantFrom('message', 'edited_message', 'inline_query', 'message_reaction', 'poll')
    const update = fc.record({ update_id: fc.oneof(fc.nat(), fc.jsonValue({ maxDepth: 1 })), kind, payload })
    fc.assert(
      fc.property(update, fc.constantFrom(0, 1), ({ update_id, kind, payload }, space) => {
        compare(JSON.stringify({ update_id, [kind]: payload }, null, space))
      }),
      { numRuns: 3000 },
    )
  })
})
