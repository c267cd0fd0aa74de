/*
 * A worker whose guard is made at module scope, over an adapter that does real I/O: the platform refuses the first contact. POST is
 * the webhook; GET returns the texts that reached the handlers, and what was reported.
 */
import { combine, fromGrammyStorage, resilient } from '../../dist/index.js'
import { guarded } from './suite.mjs'

async function call(key, init) {
  const answer = await fetch(`http://documents.test/${encodeURIComponent(key)}`, init)
  return answer.status === 204 ? undefined : answer.json()
}
const adapter = {
  read: (key) => call(key),
  write: (key, value) => call(key, { method: 'PUT', body: JSON.stringify(value) }),
  delete: (key) => call(key, { method: 'DELETE' }),
}
// No answer is late, however busy the machine: what is shown here is who decides, not how soon.
const patient = { timeout: '1m', firstTimeout: '1m' }
const storage = resilient(combine({ durable: fromGrammyStorage(adapter) }), patient)
const { guard, webhook, reached } = guarded({ storage, auth: { gate: ['orders'] } })
const reported = []
for (const event of ['storage.down', 'error']) guard.on(event, () => reported.push(event))

export default {
  async fetch(request, _env, context) {
    if (new URL(request.url).pathname === '/marks') {
      await guard.block(7)
      await guard.register(8)
    }
    if (request.method === 'GET') return Response.json({ reached: reached.toSorted(), reported })
    return webhook.fetch(request, { waitUntil: (work) => context.waitUntil(work) })
  },
}
