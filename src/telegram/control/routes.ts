import type { Update } from 'grammy/types'
import { z } from 'zod'
import type { FAULT_FIELDS, Fault } from '../bot-api/faults.js'
import { describeChat } from '../world/chats/chats.js'
import { act, actionSchema } from './actions.js'
import { accountId, chatId, duration, given, limit, queryNumber, text, wait } from './inputs.js'
import { Problem } from './problem.js'
import { botApi, listOf, NO_CONTENT, type Route, route } from './route.js'
import type { Stage } from './stage.js'

const username = z.string().describe('Without the @.')

const person = z.strictObject({
  first_name: text,
  last_name: text.optional(),
  username: username.optional(),
  language_code: z.string().max(35).optional(),
  is_premium: z.boolean().optional(),
  id: accountId.optional().describe('Default: the next free one.'),
})

const bot = z.strictObject({
  username: username.describe('Ends in "bot".'),
  first_name: text.optional(),
  inline: z.boolean().optional(),
  privacy: z.boolean().optional().describe('Privacy mode. Default: off.'),
  join_request_queries: z.boolean().optional(),
  id: accountId.optional(),
})

const group = z.strictObject({
  title: text,
  owner: accountId,
  members: z.array(accountId).max(100_000).optional(),
  admins: z.array(accountId).max(1000).optional(),
  username: username.optional(),
  forum: z.boolean().optional().describe('With topics.'),
  basic: z.boolean().optional().describe('A basic group, until it is upgraded.'),
  join_to_write: z.boolean().optional().describe('Of a discussion group: only members may comment.'),
  id: chatId.optional(),
})

const channel = group
  .omit({ forum: true, basic: true, join_to_write: true })
  .extend({ linked_group: chatId.optional() })

const fault = z.strictObject({
  method: z.string().describe('Such as sendMessage; * is any.'),
  code: z.int().optional(),
  description: z.string().optional(),
  retry_after: z.number().optional(),
  delay: duration.optional(),
  drop: z.union([z.boolean(), z.literal('after')]).optional(),
  body: z.string().optional(),
  chat: z.union([z.int(), z.string()]).optional(),
  bot: accountId.optional(),
  times: z.int().optional(),
} satisfies Record<
  'method' | 'retry_after' | Exclude<(typeof FAULT_FIELDS)[number], 'retryAfter'>,
  z.ZodType
>)

const call = {
  type: 'object',
  required: ['number', 'bot', 'method', 'params', 'at'],
  properties: {
    number: { type: 'integer', description: 'Counts all calls, from 1.' },
    bot: { type: 'object', properties: { id: { type: 'integer' }, username: { type: 'string' } } },
    method: { type: 'string' },
    params: { type: 'object' },
    at: { type: 'number', description: 'Milliseconds since 1970.' },
    result: {
      type: 'object',
      description: "Telegram's answer; absent while in progress, or if the connection was cut.",
    },
  },
}

const time = { type: 'object', required: ['now'], properties: { now: { type: 'number' } } }

const hearing = z.strictObject({
  text: text.optional().describe('A text that the message contains.'),
  pattern: z.string().max(200).optional().describe('A regular expression, without slashes.'),
  in: queryNumber.optional().describe('A group, a channel, or a bot in private.'),
  wait: wait.optional(),
  ever: z
    .enum(['true', 'false'])
    .optional()
    .describe('With wait: also messages that an earlier request with wait has returned.'),
  limit,
})

const calling = z.strictObject({
  method: z.string().optional(),
  bot: queryNumber.optional(),
  after: queryNumber.optional().describe('Only calls with a higher number.'),
  wait: wait.optional(),
  limit,
})

export const ROUTES: readonly Route[] = [
  route('POST /users', {
    summary: 'Creates a person',
    body: person,
    answers: botApi('User'),
    status: 201,
    run({ telegram }, { body }) {
      const { first_name, last_name, username: name, language_code, is_premium, id } = body
      const options = { firstName: first_name, lastName: last_name, username: name, id }
      return telegram.createUser(given({ ...options, languageCode: language_code, isPremium: is_premium }))
        .account.user
    },
  }),
  route('GET /users/{user_id}', {
    summary: 'A person or bot',
    answers: botApi('User'),
    run: (stage, { path }) => stage.account(path.user_id as number).user,
  }),
  route('GET /users/{user_id}/heard', {
    summary:
      'What a person receives from others: a matching message at once or, with wait, once it is sent, each message once; without text and pattern, the last messages',
    query: hearing,
    answers: listOf(botApi('Message')),
    run: heard,
  }),
  route('POST /bots', {
    summary: 'Creates a bot; returns its token, and the URL of the Bot API',
    body: bot,
    answers: {
      type: 'object',
      required: ['bot', 'token', 'api_root'],
      properties: { bot: botApi('User'), token: { type: 'string' }, api_root: { type: 'string' } },
    },
    status: 201,
    run({ telegram }, { body, root }) {
      const { first_name: firstName, join_request_queries: joinRequestQueries, ...rest } = body
      const made = telegram.createBot(given({ ...rest, firstName, joinRequestQueries }))
      return { bot: made.info, token: made.token, api_root: root }
    },
  }),
  route('POST /groups', {
    summary: 'Creates a group; members and administrators are there from the start',
    body: group,
    answers: botApi('Chat'),
    status: 201,
    run(stage, { body: { join_to_write: joinToWrite, ...body } }) {
      return stage.telegram.createGroup(given({ ...body, ...staffOf(stage, body), joinToWrite })).chat
    },
  }),
  route('POST /channels', {
    summary: 'Creates a channel',
    body: channel,
    answers: botApi('Chat'),
    status: 201,
    run(stage, { body: { linked_group, ...body } }) {
      const linkedGroup = linked_group === undefined ? undefined : stage.group(linked_group)
      return stage.telegram.createChannel(given({ ...body, ...staffOf(stage, body), linkedGroup })).chat
    },
  }),
  route('GET /chats/{chat_id}', {
    summary: 'A group or channel',
    answers: botApi('Chat'),
    run: (stage, { path }) => describeChat(stage.room(path.chat_id as number)),
  }),
  route('GET /chats/{chat_id}/messages', {
    summary: 'The last messages of a group or channel, oldest first',
    query: z.strictObject({ limit }),
    answers: listOf(botApi('Message')),
    run: (stage, { path, query }) => stage.place(path.chat_id as number).messages.slice(-query.limit),
  }),
  route('GET /chats/{chat_id}/members/{user_id}', {
    summary: 'The membership of an account in a group or channel',
    answers: botApi('ChatMember'),
    run: (stage, { path }) =>
      stage.place(path.chat_id as number).member({ account: stage.account(path.user_id as number) }),
  }),
  route('POST /acts', {
    summary: 'Lets a person act; returns the result, such as the message that was sent',
    body: actionSchema,
    answers: {},
    run: (stage, { body }) => act(stage, body as { does: string }),
  }),
  route('GET /calls', {
    summary:
      'Calls of bots, oldest first: the last ones, or those after a number; with wait, waits until there is one',
    query: calling,
    answers: listOf(call),
    run: calls,
  }),
  route('POST /updates', {
    summary: 'Delivers a raw update of any kind to a bot',
    body: z.strictObject({ bot: accountId, update: z.record(z.string(), z.unknown()) }),
    answers: botApi('Update'),
    status: 201,
    run: (stage, { body }) => stage.telegram.deliver(stage.bot(body.bot), body.update as Partial<Update>),
  }),
  route('POST /settled', {
    summary: 'Waits until no update is pending for these bots, or for any bot',
    body: z.strictObject({ bots: z.array(accountId).max(1000).optional(), wait: wait.optional() }),
    answers: NO_CONTENT,
    async run(stage, { body }) {
      const bots = body.bots?.map((id) => stage.bot(id))
      await waited(stage.telegram.settled(given({ bots, timeout: body.wait })))
      return null
    },
  }),
  route('GET /clock', {
    summary: 'The current time',
    answers: time,
    run: ({ telegram }) => ({ now: telegram.clock.now() }),
  }),
  route('POST /clock/advance', {
    summary: 'Advances the time: bans, restrictions and queries expire',
    body: z.strictObject({ by: duration }),
    answers: time,
    run({ telegram }, { body }) {
      telegram.clock.advance(body.by)
      return { now: telegram.clock.now() }
    },
  }),
  route('POST /faults', {
    summary: 'Lets the next calls of a method fail; with times 0 all calls, until cleared',
    body: fault,
    answers: NO_CONTENT,
    status: 201,
    run(stage, { body: { method, retry_after: retryAfter, bot: of, times, ...rest } }) {
      const struck = of === undefined ? undefined : stage.bot(of)
      const count = times === 0 ? Number.POSITIVE_INFINITY : times
      const planned: Fault = given({ ...rest, retryAfter, bot: struck, times: count })
      stage.telegram.faults.next(method, planned)
      return null
    },
  }),
  route('DELETE /faults', {
    summary: 'Removes the faults that have not occurred yet',
    answers: NO_CONTENT,
    run({ telegram }) {
      telegram.faults.clear()
      return null
    },
  }),
]

function staffOf(stage: Stage, { owner, members = [], admins = [] }: z.output<typeof channel>) {
  const somebody = (id: number) => ({ account: stage.account(id) })
  return { owner: stage.person(owner), members: members.map(somebody), admins: admins.map(somebody) }
}

type Path = Readonly<Record<string, number>>

async function heard(
  stage: Stage,
  { path, query }: { readonly path: Path; readonly query: z.output<typeof hearing> },
): Promise<unknown> {
  const listener = stage.person(path.user_id as number)
  const place =
    query.in === undefined ? undefined : query.in < 0 ? stage.place(query.in) : stage.bot(query.in)
  if (query.text !== undefined && query.pattern !== undefined)
    throw new Problem(400, 'input.invalid', 'Pass text or pattern, not both.')
  const what = query.pattern === undefined ? query.text : patternOf(query.pattern)
  if (what === undefined) {
    return listener.heardIn(place).slice(-query.limit)
  }
  if (query.wait === undefined) {
    const found = listener.hasHeard(what, given({ in: place }))
    return found === undefined ? [] : [found]
  }
  return [
    await waited(
      listener.hears(what, given({ in: place, ever: query.ever === 'true', timeout: query.wait })),
    ),
  ]
}

function patternOf(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u')
  } catch (error) {
    throw new Problem(400, 'input.invalid', `pattern: ${(error as Error).message}`)
  }
}

async function calls(
  { telegram }: Stage,
  { query }: { readonly query: z.output<typeof calling> },
): Promise<unknown> {
  const isMeant = (made: { readonly number: number; readonly bot: { readonly id: number } }) =>
    made.number > (query.after ?? 0) && (query.bot === undefined || made.bot.id === query.bot)
  const found = () => telegram.calls(query.method).filter(isMeant)
  if (found().length === 0 && query.wait !== undefined) {
    const method = query.method ?? '*'
    await waited(telegram.called(method, given({ where: isMeant, ever: true, timeout: query.wait })))
  }
  const all = found()
  return query.after === undefined ? all.slice(-query.limit) : all.slice(0, query.limit)
}

/** Turns a time-out into 408: that a bot was too slow is not an error of the request. */
async function waited<Result>(happening: Promise<Result>): Promise<Result> {
  try {
    return await happening
  } catch (error) {
    throw new Problem(408, 'wait.over', (error as Error).message, { cause: error })
  }
}
