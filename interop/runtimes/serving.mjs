// On Bun and Deno: the suite, and the face for fetch on the server that the runtime brings.
import { delivery, guarded, run, says } from './suite.mjs'

const outcome = await run()

const at = guarded({ throttle: '3/1m' }, { addresses: ['127.0.0.1'] })
const answer = (request) => at.webhook.fetch(request, { address: '127.0.0.1' })
const server =
  globalThis.Bun === undefined
    ? globalThis.Deno.serve({ port: 0, hostname: '127.0.0.1', onListen: () => undefined }, answer)
    : globalThis.Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer })
const port = server.port ?? server.addr.port
const url = `http://127.0.0.1:${port}/hook`
const statuses = []
for (let i = 0; i < 10; i++) statuses.push((await fetch(delivery(says(1, `m${i}`), { url }))).status)
statuses.push((await fetch(delivery(says(1, 'x'), { url, secret: 'wrong' }))).status)
await at.guard.close()
await (server.stop?.(true) ?? server.shutdown())
const wanted = [...new Array(10).fill(200), 401]
outcome.checks++
if (JSON.stringify([statuses, at.reached]) !== JSON.stringify([wanted, ['m0', 'm1', 'm2']])) {
  outcome.failures.push(`a server of its own: ${JSON.stringify([statuses, at.reached])}`)
}
console.log(JSON.stringify(outcome))
