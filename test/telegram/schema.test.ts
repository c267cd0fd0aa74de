import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DIGEST } from '../../src/telegram/bot-api/schema/generated/index.js'
import { complaintAbout } from '../../src/telegram/bot-api/schema/parameters.js'
import { problemOfResult, problemOfType, problemOfUpdate } from '../../src/telegram/bot-api/schema/results.js'
import { METHOD_NAMES, signatureOf, TYPE_NAMES, typeNamed } from '../../src/telegram/bot-api/schema/schema.js'

test('the generated types match the installed @grammyjs/types', () => {
  const types = join('node_modules/@grammyjs/types')
  const declarations = readdirSync(types).filter((name) => name.endsWith('.d.ts'))
  const hash = createHash('sha256')
  for (const name of declarations.sort()) hash.update(readFileSync(join(types, name)))
  hash.update(readFileSync('interop/codegen/bot-api.mjs'))
  // If this fails: run `npm ci` in interop/, then `node interop/codegen/bot-api.mjs`.
  expect(hash.digest('hex')).toBe(DIGEST)
})

test('every type and every signature can be parsed', () => {
  expect(TYPE_NAMES.length).toBeGreaterThan(400)
  for (const name of TYPE_NAMES) expect(() => typeNamed(name)).not.toThrow()
  for (const method of METHOD_NAMES) expect(() => signatureOf(method)).not.toThrow()
  for (const name of TYPE_NAMES) expect(() => problemOfType(name, {})).not.toThrow()
})

const person = { id: 5, is_bot: false, first_name: 'Alice' }
const chat = { id: 5, type: 'private', first_name: 'Alice' }
const message = { message_id: 1, date: 1, chat, from: person, text: 'hi' }

test('results are checked against their types, and the first problem is located', () => {
  expect(problemOfResult('sendMessage', message)).toBeUndefined()
  expect(problemOfResult('sendMessage', { ...message, reply_to_message: message })).toBeUndefined()
  expect(problemOfResult('sendMessage', { ...message, text: 5 })?.path).toBe('.text')
  expect(problemOfResult('sendMessage', { ...message, text: undefined })?.path).toBe('.text')
  expect(problemOfResult('sendMessage', { ...message, chat: { id: 5, type: 'privat' } })).toEqual({
    path: '.chat.type',
    expected: 'one of private, group, supergroup, channel',
  })
  expect(problemOfResult('sendMessage', { ...message, txet: 'hi' })?.path).toBe('.txet')
  const nested = { ...message, reply_to_message: { ...message, reply_to_message: message } }
  expect(problemOfResult('sendMessage', nested)?.path).toBe('.reply_to_message.reply_to_message')
  expect(problemOfResult('deleteMessage', true)).toBeUndefined()
  expect(problemOfResult('deleteMessage', false)?.expected).toBe('true')
  expect(problemOfResult('copyMessages', [{ message_id: 1 }, { message_id: '2' }])?.path).toBe(
    '[1].message_id',
  )
  const status = { user: person, status: 'restricted', is_member: true }
  expect(problemOfResult('getChatMember', status)?.path).toMatch(/^\.can_|^\.until_date/)
  expect(problemOfResult('getChatMember', { user: person, status: 'gone' })?.path).toBe('.status')
})

test('updates are checked against their types', () => {
  expect(problemOfUpdate('message', message)).toBeUndefined()
  const channel = { id: -1, type: 'channel', title: 'News' }
  expect(problemOfUpdate('message', { ...message, chat: channel })?.path).toMatch(/^\.chat\./)
  expect(problemOfUpdate('edited_message', message)?.path).toBe('.edit_date')
})

const given = (params: Record<string, unknown>) => ({
  has: (name: string) => params[name] !== undefined,
  json: (name: string) => params[name],
})

test('parameters are refused in the words of Telegram', () => {
  const wrong = (params: Record<string, unknown>) => complaintAbout('sendMessage', given(params))
  expect(
    wrong({ chat_id: 5, text: 'hi', entities: [{ type: 'bold', offset: 0, length: 2 }] }),
  ).toBeUndefined()
  // As lenient as Telegram: numbers may be texts, as in forms, and unknown fields are ignored.
  expect(wrong({ entities: [{ type: 'bold', offset: '0', length: 2, extra: 1 }] })).toBeUndefined()
  expect(wrong({ entities: 'bold' })).toBe('expected an Array of MessageEntity')
  expect(wrong({ entities: [5] })).toBe("can't parse MessageEntity: expected an Object")
  // Fields of an entity are checked when the text is parsed (given-entities.test.ts).
  expect(wrong({ entities: [{ type: 'bold', offset: {} }] })).toBeUndefined()
  const wrongPoll = (option: object) => complaintAbout('sendPoll', given({ options: [option] }))
  expect(wrongPoll({})).toBe('can\'t parse InputPollOption: Can\'t find field "text"')
  expect(wrongPoll({ text: {} })).toBe('can\'t parse InputPollOption: Field "text" must be of type String')
  expect(wrong({ reply_markup: 5 })).toBe('object expected as reply markup')
  expect(wrong({ reply_markup: {} })).toBeUndefined()
  expect(wrong({ reply_markup: { inline_keyboard: [[{ text: 'A', callback_data: 'a' }]] } })).toBeUndefined()
  expect(wrong({ reply_markup: { inline_keyboard: [[{ text: 'A', url: [] }]] } })).toMatch(
    /can't parse reply markup: Field "url" must be of type String/,
  )
  expect(complaintAbout('sendMediaGroup', given({ media: [{ type: 'photo' }] }))).toMatch(
    /Can't find field "media"/,
  )
})
