/*
 * npm run bench:soak: a guarded bot over Redis under steady load; in the middle Redis goes away and comes back. The heap must stay flat, the
 * number of listeners must not grow, and every update must get a verdict. Arguments: seconds (600), updates per second (5000).
 */
import { Bot } from 'grammy'
import { sentinel } from 'grammy-sentinel'
import { redis } from 'grammy-sentinel/redis'
import { startRedis } from '../test/servers/redis.js'
import { type Finding, median, run } from './compare.js'
import { ME, messageFrom } from './updates.js'

const [seconds = 600, rate = 5000] = process.argv.slice(2).map(Number)
const USERS = 20_000
const TICK_MS = 20
/** Time between two measurements of the heap, each after a collection. */
const LOOK_MS = Math.max(1000, (seconds * 1000) / 60)

const collect = globalThis.gc as () => void
const server = await startRedis({ appendOnly: true })
const storage = redis(server.url)
const guard = sentinel({ storage, throttle: '60/1m (burst 30)' })
const told = { down: 0, up: 0, errors: 0 }
guard.on('storage.down', () => void told.down++)
guard.on('storage.up', () => void told.up++)
guard.on('error', () => void told.errors++)
const bot = new Bot('42:token', { botInfo: ME })
bot.use(guard)
let handled = 0
bot.use(() => void handled++)
let thrown = 0

let update = 0
let verdicts = 0
let under = 0
let slowest = 0
function send(): void {
  const id = 1_000_000 + ((update * 7919) % USERS)
  const message = messageFrom(id, ++update, Math.floor(Date.now() / 1000))
  under++
  const from = performance.now()
  bot.handleUpdate(message).then(
    () => {
      under--
      verdicts++
      slowest = Math.max(slowest, performance.now() - from)
    },
    () => {
      under--
      thrown++
    },
  )
}

const listeners = () =>
  ['uncaughtException', 'warning', 'exit'].reduce((sum, name) => sum + process.listenerCount(name), 0)
const heaps: number[] = []
const start = performance.now()
const before = listeners()
let restarted = false
let looked = start
while (performance.now() - start < seconds * 1000) {
  const now = performance.now()
  // Updates that the machine could not send in time are sent late rather than skipped.
  const due = ((now - start) / 1000) * rate - update
  for (let n = 0; n < due; n++) send()
  if (!restarted && now - start > seconds * 500) {
    restarted = true
    console.log('Redis goes away')
    await server.kill()
    setTimeout(() => {
      server.restart().then(
        () => console.log('Redis is back'),
        (error: unknown) => {
          console.error(error)
          process.exit(1)
        },
      )
    }, 2000)
  }
  if (now - looked > LOOK_MS) {
    looked = now
    collect()
    heaps.push(process.memoryUsage().heapUsed / 1e6)
  }
  await new Promise((done) => setTimeout(done, TICK_MS))
}
const until = performance.now() + 10_000
while (under > 0 && performance.now() < until) await new Promise((done) => setTimeout(done, 20))
const took = (performance.now() - start) / 1000
const after = listeners()
await guard.close()
await storage.close()
await server.stop()

// The first fifth is skipped, because caches and tables fill up.
const settled = heaps.slice(Math.ceil(heaps.length / 5))
const half = Math.floor(settled.length / 2)
const growth = median(settled.slice(half)) / median(settled.slice(0, half)) - 1
console.log(`heap after collections, MB: ${heaps.map((heap) => heap.toFixed(0)).join(' ')}`)
console.log(
  `${handled} handled, ${verdicts - handled} refused, slowest verdict ${slowest.toFixed(0)} ms; storage down ${told.down}, up ${told.up}`,
)
const findings: Finding[] = [
  { what: `updates a second, of ${rate}`, measured: verdicts / took, unit: '/s', least: rate * 0.97 },
  {
    what: 'growth of the heap from the first half to the second',
    measured: growth * 100,
    unit: '%',
    most: 5,
  },
  { what: 'listeners more than before', measured: after - before, unit: '', most: 0 },
  { what: 'updates without a verdict, or with an exception', measured: under + thrown, unit: '', most: 0 },
  { what: 'times the storage came back', measured: told.up, unit: '', least: 1 },
]
process.exitCode = run(findings) ? 1 : 0
