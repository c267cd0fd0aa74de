/*
 * What a guarded bot does, told by nothing but its own package and the platform's standard: runs on Node, Bun, Deno and workerd.
 * Each check throws when it is not so. Nothing here may import from `node:` or ask for `process`.
 */
import { Bot } from 'grammy'
import { memory, SentinelError, sentinel, throttle } from '../../dist/index.js'
import { stats } from '../../dist/observability/stats/index.js'

export const SECRET = 'the-secret'
const ME = {
  id: 42,
  is_bot: true,
  first_name: 'Guarded',
  username: 'guarded_bot',
  can_join_groups: true,
  can_read_all_group_messages: false,
  supports_inline_queries: false,
}

/** Nothing refills, however busy the machine is. */
const STILL = { clock: () => 1_800_000_000_000 }

let lastId = 0
export function says(from, text, extra = {}) {
  const person = { id: from, is_bot: false, first_name: `User ${from}`, language_code: 'en' }
  const chat = { id: from, type: 'private', first_name: person.first_name }
  const id = ++lastId
  return {
    update_id: id,
    message: { message_id: id, date: 1_767_225_600, from: person, chat, text, ...extra },
  }
}

export function taps(from, data) {
  const { update_id, message } = says(from, 'menu')
  return {
    update_id,
    callback_query: {
      id: `q${update_id}`,
      from: message.from,
      message: { ...message, message_id: 1 },
      chat_instance: 'c',
      data,
    },
  }
}

/** A bot whose calls are noted, and answered by a fetch of ours as Telegram would. */
export function guarded(options = {}, webhookOptions = {}) {
  const calls = []
  const telegram = async (url, init) => {
    const method = String(url).slice(String(url).lastIndexOf('/') + 1)
    calls.push({ method, payload: init?.body === undefined ? {} : JSON.parse(String(init.body)) })
    return Response.json({ ok: true, result: method === 'getWebhookInfo' ? { url: '' } : true })
  }
  const bot = new Bot('42:token', { botInfo: ME, client: { fetch: telegram } })
  const guard = sentinel(options)
  bot.use(guard)
  const reached = []
  bot.use((ctx, next) => {
    reached.push(ctx.callbackQuery?.data ?? ctx.msg?.text)
    return next()
  })
  const webhook = guard.webhook(bot, { secret: SECRET, ...webhookOptions })
  const deliver = async (update) => (await webhook.fetch(delivery(update))).status
  const sent = (method) => calls.filter((call) => call.method === method)
  return { bot, guard, webhook, reached, calls, sent, deliver }
}

export function delivery(update, { url = 'http://bot.test/hook', secret = SECRET } = {}) {
  const headers = { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret }
  return new Request(url, { method: 'POST', headers, body: JSON.stringify(update) })
}

function equal(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`${what}: ${a} in place of ${b}`)
}

async function until(what, holds) {
  for (let i = 0; i < 200; i++) {
    if (holds()) return
    await new Promise((done) => setTimeout(done, 10))
  }
  throw new Error(`waited two seconds in vain until ${what}`)
}

export const checks = {
  async 'limits what a user sends, and says so once'() {
    const at = guarded({ ...STILL, throttle: '3/1m' })
    for (let i = 0; i < 10; i++) await at.deliver(says(1, `m${i}`))
    await at.deliver(says(2, 'other'))
    equal(at.reached, ['m0', 'm1', 'm2', 'other'], 'reached')
    await at.guard.close()
    equal(at.sent('sendMessage').length, 1, 'notices')
    const { tally } = await at.guard.health()
    equal([tally.allowed, tally.denied, tally.denials.get('throttle.limited')], [4, 7, 7], 'tally')
  },
  async 'protects with no options at all'() {
    const at = guarded(STILL)
    for (let i = 0; i < 40; i++) await at.deliver(says(1, 'flood'))
    equal(at.reached.length, 30, 'reached')
    await at.guard.close()
  },
  async 'handles a redelivered update once'() {
    const at = guarded()
    const update = says(1, 'hello')
    equal([await at.deliver(update), await at.deliver(update)], [200, 200], 'statuses')
    equal(at.reached, ['hello'], 'reached')
    await at.guard.close()
  },
  async 'blocks, tells whom, and lets go again'() {
    const at = guarded()
    await at.deliver(says(1, 'before'))
    await at.guard.block(1, { for: '1h', reason: 'spam' })
    await at.deliver(says(1, 'blocked'))
    equal((await at.guard.blockOf(1)).reason, 'spam', 'reason')
    equal((await at.guard.export()).blocked.length, 1, 'export')
    equal(await at.guard.unblock(1), 1, 'unblocked')
    await at.deliver(says(1, 'after'))
    equal(at.reached, ['before', 'after'], 'reached')
    await at.guard.close()
  },
  async 'takes a double tap for one, and answers both'() {
    const at = guarded(STILL)
    at.bot.on('callback_query', (ctx) => ctx.answerCallbackQuery())
    await at.deliver(taps(1, 'buy'))
    await at.deliver(taps(1, 'buy'))
    equal(at.reached, ['buy'], 'reached')
    await at.guard.close()
    equal(at.sent('answerCallbackQuery').length, 2, 'answers')
  },
  async 'gathers a burst with timers of the platform'() {
    const at = guarded({ debounce: { mode: 'trailing', window: '30ms' } })
    const bursts = []
    at.bot.on('message', (ctx) => {
      bursts.push(ctx.sentinel.burst?.map(({ msg }) => msg.text))
    })
    for (const text of ['a', 'b', 'c']) await at.deliver(says(1, text))
    await until('the burst is handled', () => bursts.length === 1)
    equal(bursts, [['a', 'b', 'c']], 'bursts')
    await at.guard.close()
  },
  async 'peeks and simulates without a trace'() {
    const at = guarded({ ...STILL, throttle: '5/1m' })
    await at.deliver(says(1, 'one'))
    const update = says(1, 'what if')
    equal((await at.guard.simulate(update)).verdict.allowed, true, 'simulated')
    equal((await at.guard.peek(1, 'user'))[0].remaining, 4, 'remaining')
    await at.guard.close()
  },
  async 'tells listeners, and survives one that throws'() {
    const at = guarded({ ...STILL, throttle: '1/1m' })
    const told = []
    at.guard.on('error', ({ during }) => told.push(during))
    at.guard.on('denied', ({ verdict }) => {
      told.push(verdict.reason)
      throw new Error('a listener')
    })
    await at.deliver(says(1, 'one'))
    equal(await at.deliver(says(1, 'two')), 200, 'status')
    equal(told, ['limited', 'listener for denied'], 'told')
    await at.guard.close()
  },
  async 'keeps storages apart, and refuses wrong options in words'() {
    const storage = memory()
    await storage.values.put('settings', 'a', { dark: true })
    equal(await storage.values.get('settings', 'a'), { dark: true }, 'value')
    await storage.close()
    let code
    try {
      throttle('20 a minute')
    } catch (error) {
      code = error instanceof SentinelError ? error.code : undefined
    }
    equal(code, 'limit.invalid', 'code')
  },
  async 'loads what few bots use when it is used'() {
    const kept = memory(STILL)
    const at = guarded({
      ...STILL,
      storage: kept,
      throttle: '9/1m',
      auth: { registration: 'auto', resolve: (facts) => facts.actorId !== 3 },
      concurrency: {},
      limits: true,
      users: true,
      settings: { notices: true },
      outgoing: {},
    })
    const failures = []
    at.guard.on('error', ({ during }) => failures.push(during))
    at.guard.outgoing(at.bot)
    for (const from of [1, 2, 3]) await at.deliver(says(from, `from ${from}`))
    equal(at.reached, ['from 1', 'from 2'], 'reached')
    await at.guard.grant(1, 'vip')
    equal(await at.guard.hasRole(1, 'vip'), true, 'role')
    await at.guard.limits.set({ role: 'vip' }, 'user', '20/1m')
    equal((await at.guard.explain(1)).limits[0].limit, '20/1m', 'explained')
    equal((await at.guard.settings.of(-1001)).notices, true, 'settings')
    await at.bot.api.sendMessage(1, 'hello')
    equal(at.sent('sendMessage').at(-1).payload.text, 'hello', 'sent')
    await at.guard.close()
    equal((await at.guard.users.report()).users, 3, 'users')
    equal((await at.guard.users.erase(1)).found, true, 'erased')
    equal(failures, [], 'failures')
    await kept.close()
  },
  async 'stands between a bot and a storage that is elsewhere, whoever made it'() {
    const kept = memory(STILL)
    // A storage of a stranger's: remote, and nothing of ours around it yet.
    const storage = Object.assign(Object.create(kept), { remote: true, kind: 'theirs' })
    const at = guarded({ ...STILL, storage, throttle: '3/1m' })
    for (let i = 0; i < 5; i++) await at.deliver(says(1, `m${i}`))
    equal(at.reached, ['m0', 'm1', 'm2'], 'reached')
    equal((await at.guard.health()).storage.circuit.state, 'closed', 'circuit')
    await at.guard.close()
    await kept.close()
  },
  async 'lets nobody in without the secret, with a wrong body or too large a one'() {
    const at = guarded({}, { maxBody: 2000 })
    const statusOf = async (request) => (await at.webhook.fetch(request)).status
    equal(await statusOf(delivery(says(1, 'x'), { secret: 'wrong' })), 401, 'secret')
    equal(await statusOf(delivery('no update')), 400, 'body')
    equal(await statusOf(delivery(says(1, 'x'.repeat(2000)))), 413, 'size')
    equal(await statusOf(new Request('http://bot.test/hook')), 405, 'method')
    equal(at.reached, [], 'reached')
    await at.guard.close()
  },
  async 'answers for handlers that throw, and goes on'() {
    const at = guarded({}, { onThrow: 'retry' })
    const caught = []
    at.bot.catch(({ error }) => caught.push(error.message))
    at.bot.on('message', () => {
      throw new Error('a handler')
    })
    equal(await at.deliver(says(1, 'x')), 500, 'status')
    equal(caught, ['a handler'], 'caught')
    await at.guard.close()
  },
  async 'answers in time for handlers that take too long'() {
    const at = guarded({}, { timeout: '20ms' })
    let open
    const opened = new Promise((done) => {
      open = done
    })
    at.guard.on('warning', () => undefined)
    at.bot.on('message', () => opened)
    equal(await at.deliver(says(1, 'slow')), 200, 'status')
    equal(at.webhook.size, 1, 'under way')
    open()
    equal(await at.webhook.drain(), { left: 0 }, 'drained')
    equal(await at.deliver(says(1, 'too late')), 503, 'status while draining')
    await at.guard.close()
  },
}

/** Made while this module is loaded, when workers let nobody draw chance, set timers or do I/O. */
export const early = guarded({ throttle: '3/1m', users: true, stats: stats() })

/** Runs all checks; what failed, and why. */
export async function run() {
  const failures = []
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check()
    } catch (error) {
      failures.push(`${name}: ${error?.stack ?? error}`)
    }
  }
  return { checks: Object.keys(checks).length, failures }
}
