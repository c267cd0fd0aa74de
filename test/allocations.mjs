// Counts what an update allocates, in a process of its own that can run the garbage collector. Run by test/allocations.test.ts, which
// passes the path of the bundled package; prints JSON.
import { createHook, executionAsyncId } from 'node:async_hooks'
import { Bot } from 'grammy'

const { sentinel, throttle } = await import(process.argv[2])
const ME = { id: 42, is_bot: true, first_name: 'Counted', username: 'counted_bot' }
const UPDATES = 10_000
const USERS = 1000
let lastId = 0

function update(from) {
  const id = ++lastId
  const person = { id: from, is_bot: false, first_name: 'A' }
  const chat = { id: from, type: 'private', first_name: 'A' }
  return { update_id: id, message: { message_id: id, date: 0, from: person, chat, text: 'hello' } }
}

/** A context for each update, made beforehand: what grammY allocates is not counted. */
async function contextsOf(updates, me = ME) {
  const made = []
  const bot = new Bot(`${me.id}:token`, { botInfo: me })
  // Ignores notices.
  bot.api.config.use(async () => ({ ok: true, result: true }))
  bot.use((ctx) => {
    made.push(ctx)
  })
  for (const each of updates) await bot.handleUpdate(each)
  return made
}

const contexts = (count, userOf) => contextsOf(Array.from({ length: count }, (_, i) => update(userOf(i))))

const passed = Promise.resolve()
const next = () => passed

/**
 * Bytes that an update allocates in the middleware, without a garbage collection in between; `first` is handled before. `behind`
 * makes guards in front of the handler.
 */
async function bytesOf(options, userOf, first = () => undefined, behind = () => undefined) {
  const guard = sentinel({ clock: () => 1_800_000_000_000, ...options })
  const sentinelRun = guard.middleware()
  const inner = behind()
  const run = inner === undefined ? sentinelRun : (ctx, next) => sentinelRun(ctx, () => inner(ctx, next))
  await first(run)
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 6; round++) {
    const made = await contexts(UPDATES, userOf)
    globalThis.gc()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < made.length; i++) run(made[i], next)
    const after = process.memoryUsage().heapUsed
    // A garbage collection in between would falsify the count: such a round is not counted.
    if (after > before) least = Math.min(least, (after - before) / made.length)
  }
  await guard.close()
  return least
}

/** Promises that are made in the middleware itself, before it calls `next` or returns. */
async function promisesOf(options, userOf, wrap = (middleware) => middleware) {
  const guard = sentinel({ clock: () => 1_800_000_000_000, ...options })
  const run = wrap(guard.middleware())
  const made = await contexts(200, userOf)
  // The first update may fetch information about the bot meanwhile.
  for (const ctx of made.slice(0, 100)) run(ctx, next)
  let promises = 0
  let timers = 0
  let counting = false
  const here = executionAsyncId()
  const hook = createHook({
    init(_id, type, trigger) {
      if (!counting || trigger !== here) return
      if (type === 'PROMISE') promises++
      if (type === 'Timeout' || type === 'Immediate') timers++
    },
  }).enable()
  for (const ctx of made.slice(100)) {
    counting = true
    run(ctx, () => {
      // The verdict has been reached.
      counting = false
      return passed
    })
    counting = false
  }
  hook.disable()
  await guard.close()
  return { promises: promises / 100, timers: timers / 100 }
}

/** A control for the counts: a middleware that does create a promise and a timer. */
const wasteful = (middleware) => (ctx, next) => {
  Promise.resolve().then(() => undefined)
  clearTimeout(setTimeout(() => undefined, 1000))
  return middleware(ctx, next)
}

const someone = (i) => 1_000_000 + (i % USERS)
const one = () => 7
const fail = (run, ctx) => run(ctx, () => Promise.reject(new Error('handler failed'))).catch(() => undefined)
/** An update whose handler fails. */
const failing = async (run) => {
  const [ctx] = await contexts(1, one)
  await fail(run, ctx)
}

let now = 1_800_000_000_000
/** Updates whose handlers failed, of this bot two days ago and then of another one, with lesser and greater ids than all others. */
const failingAround = async (run) => {
  for (const me of [ME, { ...ME, id: 43 }]) {
    now += 2 * 86_400_000
    const around = [0, 900_000_000].map((update_id) => ({ ...update(one()), update_id }))
    for (const ctx of await contextsOf(around, me)) await fail(run, ctx)
  }
}

/** A guard in front of a handler. */
const guarded = () => throttle('100000/1h')
const limits = { throttle: '100000/1m', membership: false }
console.log(
  JSON.stringify({
    admitted: { bytes: await bytesOf(limits, someone), ...(await promisesOf(limits, someone)) },
    afterFailure: { bytes: await bytesOf(limits, someone, failing) },
    amidFailures: { bytes: await bytesOf({ ...limits, clock: () => now }, someone, failingAround) },
    guarded: { bytes: await bytesOf(limits, someone, undefined, guarded) },
    guardedAfterFailure: { bytes: await bytesOf(limits, someone, failing, guarded) },
    wasteful: await promisesOf(limits, someone, wasteful),
    refused: {
      bytes: await bytesOf({ throttle: '1/1h', membership: false }, one),
      ...(await promisesOf({ throttle: '1/1h', membership: false }, one)),
    },
  }),
)
