import type { Update } from '@grammyjs/types'
import fc from 'fast-check'
import { type Facts, describe as factsOf } from '../../../src/core/facts.js'
import { ANONYMOUS_ADMIN_ID, CHANNEL_SENDER_ID, TELEGRAM_ID, UPDATE_KINDS } from '../../../src/core/kinds.js'
import { type Key, type SubjectRef, textKey } from '../../../src/core/subject.js'
import { ROWS, reading } from './updates.js'

/** Reads every fact. */
function readAll(facts: Facts): unknown[] {
  return [
    facts.updateId,
    facts.kind,
    facts.activity,
    facts.actor,
    facts.actorId,
    facts.actorKind,
    facts.chatId,
    facts.chatType,
    facts.connection,
    facts.cost,
    facts.inGroup,
    facts.command,
    facts.album,
    facts.target,
    facts.subject,
    facts.repliedTo,
    facts.user,
    facts.languageCode,
    facts.fingerprint,
  ]
}

const STAND_INS: readonly (number | undefined)[] = [ANONYMOUS_ADMIN_ID, CHANNEL_SENDER_ID, TELEGRAM_ID]

function isHonest(facts: Facts): boolean {
  const isId = (id: unknown) => id === undefined || (Number.isSafeInteger(id) && id !== 0)
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  return (
    (Number.isNaN(facts.updateId) || Number.isSafeInteger(facts.updateId)) &&
    isId(facts.actorId) &&
    isId(facts.chatId) &&
    isId(facts.user?.id) &&
    isId(facts.target?.id) &&
    isText(facts.chatType) &&
    isText(facts.connection) &&
    isText(facts.command) &&
    isText(facts.album) &&
    isText(facts.languageCode) &&
    (facts.fingerprint === undefined || Number.isSafeInteger(facts.fingerprint)) &&
    (facts.actor === undefined) === (facts.actorKind === undefined) &&
    (facts.actor === undefined) === (facts.actorId === undefined) &&
    (facts.subject === undefined ? undefined : looseKey(facts.subject)) === facts.actor &&
    (facts.repliedTo === undefined || isWriter(facts.repliedTo)) &&
    !(facts.actorKind === 'user' && STAND_INS.includes(facts.actorId))
  )
}

/** The key of a subject whose id may have the wrong sign: facts of malformed updates keep it, and later checks refuse it. */
function looseKey({ kind, id }: SubjectRef): Key {
  return textKey(`${kind === 'sender' ? 's' : 'u'}${id}`)
}

function isWriter(ref: SubjectRef): boolean {
  return ref.kind === 'sender' || (ref.kind === 'user' && !STAND_INS.includes(ref.id))
}

describe('malformed updates', () => {
  const junk = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      true,
      '',
      '/x@',
      0,
      -0,
      7,
      -1001,
      ANONYMOUS_ADMIN_ID,
      CHANNEL_SENDER_ID,
      1e300,
      2 ** 53,
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      [],
      {},
    ),
    fc.string({ maxLength: 8 }),
    fc.double(),
    fc.jsonValue({ maxDepth: 2 }),
  )
  // Real field names: updates with random names would be refused at the first check.
  const names = [
    'id',
    'type',
    'from',
    'user',
    'chat',
    'sender_chat',
    'actor_chat',
    'voter_chat',
    'message',
    'boost',
    'source',
    'bot',
    'new_chat_member',
    'new_chat_members',
    'left_chat_member',
    'reply_to_message',
    'forum_topic_created',
    'text',
    'caption',
    'entities',
    'caption_entities',
    'photo',
    'sticker',
    'file_unique_id',
    'poll',
    'options',
    'story',
    'venue',
    'location',
    'checklist',
    'rich_message',
    'blocks',
    'data',
    'message_id',
    'inline_message_id',
    'game_short_name',
    'media_group_id',
    'language_code',
    'business_connection_id',
    'offset',
    'length',
    'query',
    'is_automatic_forward',
    'successful_payment',
    '__proto__',
    'constructor',
    'toString',
    'update_id',
  ]
  /** Defines properties instead of assigning them, so that `__proto__` is an own key, as after JSON.parse(). */
  const built = (pairs: readonly (readonly [string, unknown])[]): unknown => {
    const object = {}
    for (const [name, value] of pairs) {
      Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
    }
    return object
  }
  const { tree, object } = fc.letrec<{ tree: unknown; object: unknown; list: unknown[] }>((tie) => ({
    tree: fc.oneof({ maxDepth: 3, depthSize: 'small' }, junk, tie('object'), tie('list')),
    object: fc.array(fc.tuple(fc.constantFrom(...names), tie('tree')), { maxLength: 8 }).map(built),
    list: fc.array(tie('tree'), { maxLength: 3 }),
  }))

  test.each(UPDATE_KINDS)('of kind %s never throw, and their facts are well-formed', (kind) => {
    fc.assert(
      fc.property(fc.oneof({ weight: 9, arbitrary: object }, { weight: 1, arbitrary: tree }), (value) => {
        const facts = factsOf({ update_id: 1, [kind]: value } as Update, reading)
        readAll(facts)
        return isHonest(facts)
      }),
      { numRuns: 800 },
    )
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a text', 'update'],
    ['a list', []],
    ['an empty object', {}],
    ['a message of null', { update_id: 1, message: null }],
    ['an update id of 1e400', JSON.parse('{"update_id":1e400,"message":[]}')],
    ['a text as the update id', { update_id: '1', message: 'hi' }],
    ['an update id of 0.5', { update_id: 0.5 }],
  ])('such as %s have no actor', (_what, update) => {
    const facts = factsOf(update as Update, reading)
    expect([facts.actor, facts.chatId, facts.user, facts.target, facts.command, facts.fingerprint]).toEqual(
      new Array(6).fill(undefined),
    )
    expect(Number.isNaN(facts.updateId) || facts.updateId === 1).toBe(true)
  })

  test('with a malformed kind are read by a well-formed kind beside it', () => {
    const update: unknown = {
      update_id: 1,
      message: null,
      callback_query: ROWS.callback_query.update.callback_query,
    }
    expect(factsOf(update as Update, reading).kind).toBe('callback_query')
  })

  test('with an own __proto__ inherit nothing from it', () => {
    const update: unknown = JSON.parse(
      '{"update_id":1,"message":{"__proto__":{"from":{"id":7},"text":"/start","chat":{"id":7}},"chat":{"__proto__":{"id":8}}}}',
    )
    const facts = factsOf(update as Update, reading)
    expect([facts.actor, facts.chatId, facts.command, facts.fingerprint]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('nested 100,000 levels deep do not overflow the stack', () => {
    const deep = `${'{"a":['.repeat(100_000)}${']}'.repeat(100_000)}`
    const update: unknown = JSON.parse(`{"update_id":1,"message":{"rich_message":{"blocks":${deep}}}}`)
    expect(factsOf(update as Update, reading).fingerprint).toBeDefined()
  })
})
