// On Node: the suite, and the face for node:http on a real server. Bun and Deno run it, too: they imitate node:http.
import { createServer } from 'node:http'
import { delivery, guarded, run, says } from './suite.mjs'

const outcome = await run()

const at = guarded({ throttle: '3/1m' })
const server = createServer(at.webhook.http)
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const url = `http://127.0.0.1:${server.address().port}/hook`
const statuses = []
for (let i = 0; i < 10; i++) statuses.push((await fetch(delivery(says(1, `m${i}`), { url }))).status)
statuses.push((await fetch(delivery(says(1, 'x'), { url, secret: 'wrong' }))).status)
await at.guard.close()
server.close()
server.closeAllConnections?.()
const wanted = [...new Array(10).fill(200), 401]
outcome.checks++
if (JSON.stringify([statuses, at.reached]) !== JSON.stringify([wanted, ['m0', 'm1', 'm2']])) {
  outcome.failures.push(`a server of node:http: ${JSON.stringify([statuses, at.reached])}`)
}
// The process is to end by itself: a timer that was left behind would keep it.
console.log(JSON.stringify(outcome))
