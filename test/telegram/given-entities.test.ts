import { createTelegram, type Person, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import type { RawAnswer } from './calling.js'

let telegram: Telegram
let account: TelegramBot
let alice: Person

beforeEach(async () => {
  telegram = createTelegram()
  account = telegram.createBot({ username: 'entity_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  await alice.to(account).sends('/start')
})
afterEach(() => telegram.close())

async function send(params: object): Promise<RawAnswer> {
  const response = await telegram.fetch(`${telegram.apiRoot}/bot${account.token}/sendMessage`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ chat_id: alice.id, text: 'hello', ...params }),
  })
  return (await response.json()) as RawAnswer
}

const place = { offset: 0, length: 5 }
const entitiesOf = ({ result, description }: RawAnswer) =>
  description ?? (result as { entities?: unknown }).entities

test.each([
  ['unknown fields', { type: 'bold', mark: 1 }, { type: 'bold', ...place }],
  [
    'texts in place of numbers',
    { type: 'italic', offset: '1', length: '2' },
    { type: 'italic', offset: 1, length: 2 },
  ],
  ['an empty language', { type: 'pre', language: '' }, { type: 'pre', ...place }],
  [
    'a link without a protocol',
    { type: 'text_link', url: 'example.com' },
    { type: 'text_link', url: 'http://example.com/', ...place },
  ],
  [
    'a date',
    { type: 'date_time', unix_time: 1_700_000_000, date_time_format: 'TdW' },
    { type: 'date_time', unix_time: 1_700_000_000, date_time_format: 'wdT', ...place },
  ],
])('entities are accepted with %s', async (_, given, expected) => {
  expect(entitiesOf(await send({ entities: [{ ...place, ...given }] }))).toEqual([expected])
})

test('mentioned users are identified by their id, and unknown ids are dropped', async () => {
  const mention = (user: object) => send({ entities: [{ ...place, type: 'text_mention', user }] })
  const expected = [
    { ...place, type: 'text_mention', user: { id: alice.id, is_bot: false, first_name: 'Alice' } },
  ]
  expect(entitiesOf(await mention({ id: alice.id }))).toEqual(expected)
  expect(entitiesOf(await mention({ id: alice.id, is_bot: true, first_name: 'Mallory' }))).toEqual(expected)
  expect(entitiesOf(await mention({ id: 99, is_bot: false, first_name: 'Nobody' }))).toBeUndefined()
  expect(entitiesOf(await mention({}))).toBe(`Bad Request: can't parse MessageEntity: Can't find field "id"`)
})

test('entities that Telegram detects by itself are ignored if bots send them', async () => {
  const types = ['url', 'mention', 'hashtag', 'bot_command', 'phone_number']
  expect(entitiesOf(await send({ entities: types.map((type) => ({ ...place, type })) }))).toBeUndefined()
})

test.each([
  [{ type: 'bold', offset: 0.5 }, 'Field "offset" must be a valid Number'],
  [{ type: 'bold', length: {} }, 'Field "length" must be a Number'],
  [{ type: 'wobble' }, 'Unsupported type specified'],
  [{ type: 'text_mention', user: 5 }, 'Field "user" must be of type Object'],
  [{ type: 'custom_emoji', custom_emoji_id: 'abc' }, 'Field "custom_emoji_id" must be a valid Number'],
  [{ type: 'date_time', unix_time: 1, date_time_format: 'rt' }, 'Invalid date-time format specified'],
])('an entity %j is refused', async (given, why) => {
  const refusal = `Bad Request: can't parse MessageEntity: ${why}`
  expect(entitiesOf(await send({ entities: [{ ...place, ...given }] }))).toBe(refusal)
})

test.each([
  ['abc', -1, 2, 'receive an entity with incorrect offset -1'],
  ['abc', 0, -2, 'receive an entity with incorrect length -2'],
  ['abc', 5, 1, 'entity begins after the end of the text at UTF-16 offset 5'],
  ['abc', 2, 10, 'entity beginning at UTF-16 offset 2 ends after the end of the text at UTF-16 offset 12'],
  ['é😀abc', 2, 2, 'entity begins in a middle of a UTF-16 symbol at byte offset 6'],
  ['ab😀', 0, 3, 'entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 6'],
])('in %j an entity at %d of the length %d is refused', async (text, offset, length, why) => {
  const entities = [{ type: 'bold', offset, length }]
  expect(entitiesOf(await send({ text, entities }))).toBe(`Bad Request: ${why}`)
})

test('of several entities that end within a character, the innermost one is named', async () => {
  const entities = [
    { type: 'blockquote', offset: 0, length: 3 },
    { type: 'bold', offset: 1, length: 2 },
  ]
  expect(entitiesOf(await send({ text: 'ab😀', entities }))).toBe(
    'Bad Request: entity beginning at UTF-16 offset 1 ends in a middle of a UTF-16 symbol at byte offset 6',
  )
})

test('an entity may end with the text, and an empty one is dropped', async () => {
  const entities = [
    { type: 'bold', offset: 0, length: 4 },
    { type: 'italic', offset: 9, length: 0 },
  ]
  expect(entitiesOf(await send({ text: 'ab😀', entities }))).toEqual([entities[0]])
})

test('a link with an invalid URL is refused', async () => {
  expect(entitiesOf(await send({ entities: [{ ...place, type: 'text_link', url: 'nonsense' }] }))).toBe(
    "Bad Request: entity URL 'nonsense' is invalid: Wrong HTTP URL",
  )
})

test('only known preview options that are switched on are kept', async () => {
  const previewOf = async (link_preview_options: object) =>
    ((await send({ link_preview_options })).result as { link_preview_options?: unknown }).link_preview_options
  expect(await previewOf({ is_disabled: true, show_above_text: false, mark: 1 })).toEqual({
    is_disabled: true,
  })
  expect(await previewOf({ url: 5 })).toEqual({ url: '5' })
  expect(await previewOf({ is_disabled: false })).toBeUndefined()
})
