import type { Update } from 'grammy/types'
import { systemTimers } from '../../src/core/clock.js'
import { type SentinelOptions, subject } from '../../src/index.js'
import { faulty } from '../storage/faulty.js'
import { type Desk, desk, nextId, tick, user } from './desk.js'

const ALICE = 7
const chat = { id: -1001, type: 'supergroup', title: 'Plaza' } as const

/** A request to join; with a query id, one that the bot has to decide. */
function asks(from: number, query_id?: string): Update {
  const chat_join_request = { chat, from: user(from), user_chat_id: from, date: 1 }
  return {
    update_id: nextId(),
    chat_join_request: query_id === undefined ? chat_join_request : { ...chat_join_request, query_id },
  }
}

/** A desk that ignores errors: the embedded Telegram has no such queries under way. */
function joinDesk(options: SentinelOptions): Desk {
  const made = desk(options)
  for (const event of ['error', 'storage.down'] as const) made.guard.on(event, () => undefined)
  return made
}

const answers = ({ calls }: Desk): string[] =>
  calls.map(({ payload }) => `${payload.chat_join_request_query_id}: ${payload.result}`)

test('a refused request to join that the bot has to decide is declined if its author is blocked, else left to administrators', async () => {
  const at = joinDesk({ throttle: '1/1m' })
  await at.guard.block(8)
  for (const update of [asks(8, 'blocked'), asks(ALICE, 'first'), asks(ALICE, 'second'), asks(ALICE)]) {
    await at.handle(update)
  }
  await at.quiet()
  expect(at.reached).toHaveLength(1)
  expect(answers(at)).toEqual(['blocked: decline', 'second: queue'])
})

test.each<[string, SentinelOptions, (at: Desk) => unknown]>([
  ['the chat is blocked', {}, ({ guard }) => guard.block(subject.chat(chat.id))],
  ['the author is not on the allow list', { block: { only: true } }, () => undefined],
])('it is left to administrators if %s', async (_, options, prepare) => {
  const at = joinDesk(options)
  await prepare(at)
  await at.handle(asks(ALICE, '1'))
  await at.quiet()
  expect([at.reached, answers(at)]).toEqual([[], ['1: queue']])
})

test('it is left to administrators if blocks cannot be looked up', async () => {
  const storage = faulty(Date.now, systemTimers)
  const at = joinDesk({ storage, block: { onFailure: 'closed' } })
  await at.handle(asks(ALICE))
  storage.fault = 'refuses'
  await at.handle(asks(ALICE, '1'))
  await at.quiet()
  expect([at.reached.length, answers(at)]).toEqual([1, ['1: queue']])
})

test('it is declined at once if its author is blocked, even if a deny function hangs', async () => {
  const at = joinDesk({ block: { list: [8], deny: () => new Promise<never>(() => undefined) } })
  await at.handle(asks(8, 'blocked'))
  await tick()
  expect(answers(at)).toEqual(['blocked: decline'])
  at.time.advance(10_000)
  await at.quiet()
  expect(answers(at)).toEqual(['blocked: decline'])
})

test('it is left to administrators only after a deny function, which may decide it', async () => {
  const decided: (string | undefined)[] = []
  const at = joinDesk({
    throttle: {
      limit: '1/1h',
      async deny({ ctx }) {
        await tick()
        const query = ctx.chatJoinRequest?.query_id
        if (query === 'spam') await ctx.answerChatJoinRequestQuery('decline').catch(() => undefined)
        decided.push(query)
      },
    },
  })
  for (const query of ['first', 'spam', 'other']) await at.handle(asks(ALICE, query))
  await at.quiet()
  expect(decided).toEqual(['spam', 'other'])
  expect(answers(at).sort()).toEqual(['other: queue', 'spam: decline', 'spam: queue'])
  expect(answers(at).indexOf('spam: decline')).toBeLessThan(answers(at).indexOf('spam: queue'))
})
