import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import { describe as describeFacts, type SentinelOptions, sentinel } from '../../src/index.js'
import { health } from '../../src/observability/health/index.js'
import { metrics } from '../../src/observability/metrics/index.js'
import { stats } from '../../src/observability/stats/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { GuardedContext } from '../middleware/rig.js'
import { edits, nextId, says, user } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { flood, parsing } from './gate-stand.js'
import { post, SECRET, type Stand, stand } from './stand.js'

function joined(at: { readonly tally: { readonly denied: number } }): number {
  return at.tally.denied
}

test('after its first refusal, a flood is refused unparsed, and still counted', async () => {
  const at = parsing()
  await flood(at, 1, 10)
  expect(at.reached).toEqual(['flood', 'flood'])
  // Two that passed, and the first refused one.
  expect(at.parsed).toHaveLength(3)
  const health = await at.guard.health()
  expect(joined(health)).toBe(8)
  expect(health.tally.denials.get('throttle.limited')).toBe(8)
  expect(at.notices).toHaveLength(1)
})

test('other users pass during a flood', async () => {
  const at = parsing()
  await flood(at, 1, 5)
  await at.deliver(says(2, 'hello'))
  expect(at.reached).toContain('hello')
})

test('a user who has waited passes at once, and is charged once', async () => {
  const at = parsing()
  await flood(at, 1, 5)
  at.time.advance(30_000)
  await at.deliver(says(1, 'patient'))
  expect(at.reached.at(-1)).toBe('patient')
  expect(await at.guard.peek(1, 'user')).toMatchObject([{ remaining: 0 }])
  at.time.advance(30_000)
  await at.deliver(says(1, 'again'))
  expect(at.reached.at(-1)).toBe('again')
})

test('replies to an offender and forwards of their messages are judged by their sender', async () => {
  const at = parsing()
  await flood(at, 666, 5)
  const reply = says(2, 'look at that') as Update & { message: Record<string, unknown> }
  const nested = { ...says(666, 'bad').message }
  for (const extra of [
    { reply_to_message: nested },
    { forward_origin: { type: 'user', sender_user: user(666) } },
  ]) {
    const update = { update_id: nextId(), message: { ...extra, ...reply.message } }
    await at.deliver(update as unknown as Update)
  }
  expect(at.reached.filter((text) => text === 'look at that')).toHaveLength(2)
})

test('penalties begin and end as without a gate', async () => {
  const penalty = { throttle: { limit: '2/1m', penalty: { after: 3, bans: ['10m'] } } } as const
  const gated = parsing(penalty)
  const plain = stand(penalty, undefined, { gate: false })
  for (const at of [gated, plain]) {
    for (let i = 0; i < 8; i++) await at.deliver(says(1, 'flood'))
    at.time.advance(9 * 60_000)
    await at.deliver(says(1, 'still banned'))
    at.time.advance(2 * 60_000)
    await at.deliver(says(1, 'free'))
  }
  expect(gated.reached).toEqual(plain.reached)
  expect(gated.notices).toEqual(plain.notices)
  const [a, b] = [await gated.guard.health(), await plain.guard.health()]
  expect([...a.tally.denials]).toEqual([...b.tally.denials])
  expect(gated.parsed.length).toBeLessThan(8)
})

test('blocked users are refused, and admitted when unblocked', async () => {
  const at = parsing()
  await at.deliver(says(1, 'hello'))
  await at.guard.block(1)
  await flood(at, 1, 5)
  expect(at.parsed).toHaveLength(2)
  await at.guard.unblock(1)
  await at.deliver(says(1, 'back'))
  expect(at.reached).toEqual(['hello', 'back'])
})

test('a body of an offender that has no update id is answered 400, and neither counted nor charged', async () => {
  const at = parsing({ throttle: { limit: '2/1m', penalty: { after: 2, bans: ['1h'] } } })
  await flood(at, 1, 3)
  const { update_id: _, ...body } = says(1, 'no update')
  for (let i = 0; i < 3; i++) expect(await at.deliver(JSON.stringify(body))).toBe(400)
  expect(joined(await at.guard.health())).toBe(1)
  at.time.advance(60_000)
  expect(await at.deliver(JSON.stringify(body))).toBe(400)
  expect(await at.guard.peek(1, 'user')).toMatchObject([{ remaining: 2 }])
})

test('messages of an offender in business and guest chats are parsed, and counted by chat apart', async () => {
  const at = parsing({ throttle: { scope: 'chat', limit: '2/1m' } })
  await flood(at, 1, 5)
  for (const [kind, extra] of [
    ['business_message', { business_connection_id: 'connection' }],
    ['edited_business_message', { business_connection_id: 'connection', edit_date: 1_767_225_601 }],
    ['guest_message', { guest_query_id: 'q' }],
  ] as const) {
    const { update_id, message } = says(1, kind)
    expect(await at.deliver({ update_id, [kind]: { ...message, ...extra } } as Update)).toBe(200)
    expect(at.parsed.at(-1)).toBe(update_id)
    expect(at.reached.at(-1)).toBe(kind)
  }
})

test('edits and inline queries of a flood are refused unparsed, too', async () => {
  const at = parsing({ throttle: { limit: '1/1m', inline: '1/1m' } })
  for (let i = 0; i < 5; i++) await at.deliver(edits(1, 'x'))
  const inline = () => ({
    update_id: nextId(),
    inline_query: { id: 'q', from: user(1), query: 'x', offset: '' },
  })
  for (let i = 0; i < 5; i++) await at.deliver(inline() as Update)
  expect(at.parsed.length).toBeLessThan(6)
  expect(joined(await at.guard.health())).toBe(8)
})

describe('a refusal at the gate has all other effects', () => {
  test('a listener is called for every refusal, with the context', async () => {
    const at = parsing()
    const heard: (string | undefined)[] = []
    at.guard.on('denied', ({ ctx }) => heard.push(ctx.msg?.text))
    await flood(at, 1, 6)
    expect(heard).toEqual(new Array(4).fill('flood'))
    expect(at.parsed).toHaveLength(6)
  })

  test('a listener that reads the update later still finds it', async () => {
    const at = parsing()
    const heard: unknown[] = []
    at.guard.probe({
      events: {
        denied: ({ facts, ctx, verdict }) =>
          heard.push([facts.activity, facts.languageCode, ctx.msg?.text, verdict.reason]),
      },
    })
    await flood(at, 1, 6)
    expect(heard).toEqual(new Array(4).fill(['message', 'en', 'flood', 'limited']))
    expect(at.parsed).toHaveLength(3)
  })

  test('metrics and health count it, though it is not parsed; traces contain every update', async () => {
    const at = parsing()
    const measured = metrics(at.guard)
    const watched = health(at.guard, { clock: at.time.clock })
    await flood(at, 1, 6)
    expect(at.parsed).toHaveLength(3)
    at.time.advance(1000)
    await flood(at, 1, 1)
    expect(at.parsed).toHaveLength(3)
    expect(await (await measured.fetch(new Request('http://x/metrics'))).text()).toMatch(
      /sentinel_verdicts_total\{(?=[^}]*verdict="denied")(?=[^}]*kind="message")[^}]*\} 5\b/,
    )
    expect((await watched.check()).lastUpdateAt).toBe(at.time.now)
    at.guard.probe({ update: (ctx, next, go) => go(ctx, next) })
    await flood(at, 1, 2)
    expect(at.parsed).toHaveLength(5)
    watched.close()
  })

  test.each([
    ['guard.health()', async (at: Stand) => void (await at.guard.health())],
    ['a scrape', async (at: Stand) => void (await metrics(at.guard).registry.metrics())],
    [
      'a probe, though it is closed',
      async (at: Stand) => {
        const probes = health(at.guard)
        await probes.fetch(new Request('http://x/readyz'))
        probes.close()
      },
    ],
  ])('%s sees it as well, without parsing updates', async (_, look) => {
    const at = parsing()
    await look(at)
    await flood(at, 1, 6)
    expect(at.parsed).toHaveLength(3)
    at.time.advance(1000)
    await flood(at, 1, 1)
    expect((await at.guard.health()).lastUpdateAt).toBe(at.time.now)
    expect(at.parsed).toHaveLength(3)
  })

  test('metrics, statistics and activity of a flood parse none of it', async () => {
    const at = parsing({ users: true, stats: stats() })
    const measured = metrics(at.guard)
    await flood(at, 1, 3)
    const { parse } = JSON
    let bodies = 0
    JSON.parse = (text, reviver) => {
      if (text.includes('"flood"')) bodies++
      return parse(text, reviver)
    }
    try {
      await flood(at, 1, 5)
    } finally {
      JSON.parse = parse
    }
    expect(bodies).toBe(0)
    expect(at.parsed).toHaveLength(3)
    expect(await measured.registry.metrics()).toMatch(/sentinel_verdicts_total\{[^}]*"denied"[^}]*\} 6\b/)
    expect((await at.guard.stats()).denied).toBe(6)
    at.time.advance(1000)
    await until('it is noted', async () => {
      const seen = await at.guard.users.read(1)
      return seen?.counts.denials === 6
    })
  })

  test('a tapped button is answered', async () => {
    const at = parsing({ throttle: '1/1m' })
    await flood(at, 1, 3)
    const { message } = says(1, 'menu')
    const tap = {
      update_id: nextId(),
      callback_query: { id: 'q', from: user(1), message, chat_instance: 'c', data: 'x' },
    }
    await at.deliver(tap as Update)
    await at.quiet()
    expect(at.calls.filter(({ method }) => method === 'answerCallbackQuery')).toHaveLength(1)
  })

  test('a deny function is called for each', async () => {
    let called = 0
    const deny = () => {
      called++
    }
    const at = parsing({ throttle: { limit: '2/1m', deny } })
    await flood(at, 1, 6)
    await at.quiet()
    expect(called).toBe(4)
  })

  test('the next notice is sent when it is due', async () => {
    const at = parsing({ throttle: { limit: '1/1h', noticeEvery: '1m' } })
    await flood(at, 1, 5)
    at.time.advance(61_000)
    await flood(at, 1, 5)
    expect(at.notices).toHaveLength(2)
  })

  test('a notice that could not be sent in a group is sent in private, and the flood there is not parsed', async () => {
    const at = parsing({ throttle: { limit: '1/1h', noticeEvery: '1h' } })
    for (let i = 0; i < 5; i++) await at.deliver(says(1, 'chatter', { group: true }))
    expect(at.parsed).toHaveLength(2)
    expect(at.notices).toEqual([])
    await flood(at, 1, 5)
    await at.quiet()
    expect(at.parsed).toHaveLength(3)
    expect(at.notices).toHaveLength(1)
  })

  test('refusals in shadow are reported', async () => {
    const at = parsing({
      throttle: [
        { name: 'strict', limit: '1/1m', shadow: true },
        { name: 'real', limit: '2/1m' },
      ],
    })
    await flood(at, 1, 6)
    expect((await at.guard.health()).tally.shadow).toBe(5)
  })

  test('payments pass', async () => {
    const at = parsing()
    await at.guard.block(1)
    await flood(at, 1, 3)
    const { text: _, ...message } = says(1, '').message as unknown as Record<string, unknown>
    const paid = {
      update_id: nextId(),
      message: { ...message, successful_payment: { currency: 'XTR', total_amount: 1 } },
    }
    await at.deliver(paid as unknown as Update)
    expect(at.reached).toEqual(['message'])
  })
})

describe('the gate is open', () => {
  test.each<[string, SentinelOptions]>([
    ['where a cost is a function', { throttle: { limit: '2/1m', cost: () => 1 } }],
    [
      'where a key is a function',
      { throttle: { name: 'own', limit: '2/1m', key: ({ actorId }) => actorId } },
    ],
    ['where messages are compared', { debounce: { window: '1s', on: ['message'] } }],
    ['where hooks decide', { hooks: { 'before:throttle': () => undefined } }],
  ])('%s', async (_, options) => {
    const at = parsing(options)
    await flood(at, 1, 6)
    expect(at.parsed).toHaveLength(6)
    expect(at.reached.length).toBeLessThan(3)
  })

  test('behind another sentinel, which is asked first', async () => {
    const outer = sentinel({ throttle: { limit: '5/1m', deny: 'silent' }, name: 'outer' })
    const inner = sentinel({ throttle: { limit: '2/1m', deny: 'silent' }, name: 'inner' })
    const { bot } = stand()
    const both = new Bot<GuardedContext>(bot.token, { botInfo: bot.botInfo })
    both.use(outer, inner)
    const webhook = inner.webhook(both, { secret: SECRET })
    for (let i = 0; i < 9; i++) {
      expect((await webhook.fetch(post(JSON.stringify(says(1, 'x'))))).status).toBe(200)
    }
    const [first, second] = [await outer.health(), await inner.health()]
    expect([first.tally.denied, second.tally.denied]).toEqual([4, 3])
    await Promise.all([outer.close(), inner.close()])
  })

  test('with gate: false', async () => {
    const at = stand({ throttle: '1/1m' }, undefined, { gate: false })
    let parsed = 0
    const handle = at.bot.handleUpdate.bind(at.bot)
    at.bot.handleUpdate = (update) => {
      parsed++
      return handle(update)
    }
    await flood(at, 1, 5)
    expect(parsed).toBe(5)
  })
})

test('a remote storage is asked once for each update, with or without a gate', async () => {
  const near = memory()
  let asked = 0
  const far = new Proxy(near, {
    get(target, name) {
      if (name === 'remote') return false
      if (name !== 'prepare') return Reflect.get(target, name, target) as unknown
      return async (plan: Parameters<typeof near.prepare>[0]) => {
        const judge = await near.prepare(plan)
        return {
          evaluate: async (...args: Parameters<typeof judge.evaluate>) => {
            asked++
            return judge.evaluate(...args)
          },
          peek: judge.peek.bind(judge),
          settle: judge.settle.bind(judge),
        }
      }
    },
  })
  const at = parsing({ storage: far })
  await flood(at, 1, 8)
  expect(asked).toBe(8)
  expect(at.parsed).toHaveLength(3)
  expect(at.reached).toHaveLength(2)
})

test('redelivered updates of an offender are not handled twice', async () => {
  const at = parsing({ throttle: '3/1m' })
  const update = says(1, 'hello')
  await at.deliver(update)
  await flood(at, 1, 4)
  at.time.advance(60_000)
  await at.deliver(update)
  expect(at.reached.filter((text) => text === 'hello')).toHaveLength(1)
  expect(describeFacts(update).actorId).toBe(1)
})

test('the gate keeps working after options change', async () => {
  const at = parsing()
  await flood(at, 1, 4)
  at.guard.reconfigure({ throttle: '4/1m' })
  const before = at.parsed.length
  await flood(at, 1, 10)
  expect(at.parsed.length - before).toBeLessThan(5)
  expect((await at.guard.health()).tally.denied).toBeGreaterThan(8)
})
