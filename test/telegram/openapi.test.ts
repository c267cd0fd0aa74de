import { readFileSync } from 'node:fs'
import { describeBotApi, type JsonSchema } from '../../src/telegram/bot-api/schema/openapi.js'
import { METHOD_NAMES } from '../../src/telegram/bot-api/schema/schema.js'
import { startTelegram } from '../../src/telegram/index.js'
import { caller } from './calling.js'
import { problemsOf, refsIn } from './json-schema.js'

type Json = Record<string, unknown>

test('the server describes the whole Bot API in OpenAPI 3.1', async () => {
  const telegram = await startTelegram()
  const response = await fetch(`${telegram.apiRoot}/openapi.json`)
  expect(response.headers.get('content-type')).toBe('application/json')
  const document = (await response.json()) as ReturnType<typeof describeBotApi>
  await telegram.close()
  expect(document.openapi).toBe('3.1.0')
  expect(Object.keys(document.paths)).toEqual(METHOD_NAMES.map((name) => `/bot{token}/${name}`))
  // Found in the declarations in another way than the generator does.
  const declared = readFileSync('node_modules/@grammyjs/types/methods.d.ts', 'utf8').matchAll(
    /^ {4}(\w+)\(args?/gm,
  )
  const written = [...declared].map(([, name]) => name as string)
  expect(written.length).toBeGreaterThan(150)
  for (const name of written) expect(METHOD_NAMES).toContain(name)
})

test('every reference can be resolved, and operation ids are unique', () => {
  const document = describeBotApi('/', () => true)
  const lead = (ref: string) =>
    ref
      .replace('#/', '')
      .split('/')
      .reduce<unknown>((at, key) => (at as Json | undefined)?.[key], document)
  const refs = refsIn(document)
  expect(refs.size).toBeGreaterThan(400)
  for (const ref of refs) expect([ref, lead(ref)]).toEqual([ref, expect.any(Object)])
  const ids = Object.values(document.paths).map((path) => ((path.post as Json).operationId as string) ?? '')
  expect(new Set(ids).size).toBe(METHOD_NAMES.length)
  expect(
    Object.keys(document.components.schemas).filter((name) => !refs.has(`#/components/schemas/${name}`)),
  ).toEqual([])
})

test('parameters and answers of real calls conform to it', async () => {
  const telegram = await startTelegram({ clock: 'virtual' })
  const bot = telegram.createBot({ username: 'schema_bot' })
  const alice = telegram.createUser({ firstName: 'Alice', username: 'alice' })
  const group = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [bot], forum: true })
  const call = caller(telegram.apiRoot, bot)
  const hello = await alice.in(group).sends('hello')
  const chat_id = group.id
  const message = { chat_id, message_id: hello.message_id }
  const keyboard = {
    inline_keyboard: [
      [
        { text: 'A', callback_data: 'a' },
        { text: 'B', url: 'https://b.example' },
      ],
    ],
  }
  const options = [{ text: 'A' }, { text: 'B' }]
  const calls: readonly (readonly [string, Json])[] = [
    ['getMe', {}],
    ['sendMessage', { chat_id, text: '<b>Hi</b>', parse_mode: 'HTML', reply_markup: keyboard }],
    ['sendMessage', { chat_id, text: 'Re', reply_parameters: { message_id: hello.message_id } }],
    ['sendPoll', { chat_id, question: 'Which?', options }],
    ['sendDice', { chat_id }],
    ['setMessageReaction', { ...message, reaction: [{ type: 'emoji', emoji: '👍' }] }],
    ['forwardMessage', { chat_id, from_chat_id: chat_id, message_id: hello.message_id }],
    ['copyMessages', { chat_id, from_chat_id: chat_id, message_ids: [hello.message_id] }],
    ['pinChatMessage', message],
    ['getChat', { chat_id }],
    ['getChatMember', { chat_id, user_id: alice.id }],
    ['getChatAdministrators', { chat_id }],
    ['createForumTopic', { chat_id, name: 'Lunch' }],
    ['createChatInviteLink', { chat_id, member_limit: 1 }],
    ['restrictChatMember', { chat_id, user_id: alice.id, permissions: { can_send_messages: false } }],
    ['getWebhookInfo', {}],
    ['getUserProfilePhotos', { user_id: alice.id }],
    ['getUpdates', { allowed_updates: ['message'] }],
    ['sendGame', { chat_id, game_short_name: 'chess' }],
  ]
  const document = describeBotApi(telegram.apiRoot, () => true)
  const schemas = document.components.schemas
  for (const [method, params] of calls) {
    const { post } = document.paths[`/bot{token}/${method}`] as { post: Json }
    const taken = (post.requestBody as { content: Record<string, { schema: JsonSchema }> } | undefined)
      ?.content
    const schema = taken?.['application/json']?.schema
    if (schema !== undefined) expect([method, problemsOf(params, schema, schemas)]).toEqual([method, []])
    const answer = await call(method, params)
    const responses = post.responses as Record<string, { content: Record<string, { schema: JsonSchema }> }>
    const answered = responses[answer.ok ? '200' : 'default']!.content['application/json']!.schema
    expect([method, problemsOf(answer, answered, schemas)]).toEqual([method, []])
  }
  await telegram.close()
})

test('values that violate a schema are detected', () => {
  const { schemas } = describeBotApi('/', () => true).components
  const user = { id: 1, is_bot: false, first_name: 'Alice' }
  const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
  expect(problemsOf(user, ref('User'), schemas)).toEqual([])
  expect(problemsOf({ ...user, id: '1' }, ref('User'), schemas)).toEqual(['$.id is not a number'])
  expect(problemsOf({ id: 1 }, ref('User'), schemas)).toHaveLength(2)
  expect(problemsOf({ id: 1, type: 'private' }, ref('Chat'), schemas)).not.toEqual([])
})
