/*
 * What goes on from request to request in a worker: a guard made at module scope, over a storage that is elsewhere and may fail. Timers,
 * and all else that a request began, end with it.
 */
import * as all from '../../dist/index.js'
import { guarded, says } from './suite.mjs'

/** Whoever imports all there is starts all the same. */
export const exported = Object.keys(all).length

const documents = new Map()
let mode = 'well'
async function answering() {
  await undefined
  if (mode === 'failing') throw new Error('the database is away')
  if (mode === 'hanging') await new Promise((done) => setTimeout(done, 60_000))
}
const adapter = {
  async read(key) {
    await answering()
    return documents.get(key)
  },
  async write(key, value) {
    await answering()
    documents.set(key, structuredClone(value))
  },
  async delete(key) {
    await answering()
    documents.delete(key)
  },
}
const storage = all.combine({ durable: all.fromGrammyStorage(adapter) })
const at = guarded({ storage, users: true, outgoing: {} }, { timeout: '9s' })
at.guard.on('storage.down', () => undefined)
at.guard.on('storage.up', () => undefined)
at.guard.on('error', () => undefined)
let tooMany = 0
at.bot.api.config.use(async (previous, method, payload, signal) => {
  if (method !== 'sendMessage' || tooMany === 0) return previous(method, payload, signal)
  tooMany--
  return { ok: false, error_code: 429, description: 'Too Many Requests', parameters: { retry_after: 1 } }
})
at.guard.outgoing(at.bot)
at.bot.on('message', async (ctx) => {
  // Nobody waits for it, and the request ends before it is let go.
  if (ctx.msg.text === 'aside') void ctx.reply('aside').catch(() => undefined)
  else await ctx.reply('answered')
})

/** One request each: what is asked, and what is told of it. */
export const asks = {
  well: () => {
    mode = 'well'
  },
  failing: () => {
    mode = 'failing'
  },
  hanging: () => {
    mode = 'hanging'
  },
  block: () =>
    at.guard.block(7).then(
      () => 'blocked',
      (error) => error.code,
    ),
  health: async () => (await at.guard.health()).storage.circuit.state,
  activity: async () => (await at.guard.health()).activity.waiting,
  aside: async () => {
    tooMany = 1
    return at.deliver(says(1, 'aside'))
  },
  sent: async () => [await at.deliver(says(1, 'hello')), at.sent('sendMessage').at(-1)?.payload.text],
}
