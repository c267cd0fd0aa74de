import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { Bot } from 'grammy'
import { type Sentinel, sentinel } from 'grammy-sentinel'
import { health } from 'grammy-sentinel/health'
import { metrics } from 'grammy-sentinel/metrics'
import { stats } from 'grammy-sentinel/stats'
import { tracing } from 'grammy-sentinel/tracing'
import { type Finding, median, part, processorTime, run } from './compare.js'
import { ME, messageFrom } from './updates.js'

const ROUNDS = part(41)
const UPDATES = 4000
/** Enough users that none exhausts the default burst. */
const USERS = 20_000

let updateId = 1

async function feed(bot: Bot): Promise<void> {
  for (let i = 0; i < UPDATES; i++) {
    const id = 1_000_000 + (updateId % USERS) * 7
    await bot.handleUpdate(messageFrom(id, updateId++))
  }
}

function guarded(see: (guard: Sentinel) => void, options = {}): Bot {
  const bot = new Bot('42:token', { botInfo: ME })
  const guard = sentinel({ throttle: { limit: '100000/1m' }, ...options })
  see(guard)
  bot.use(guard)
  bot.use(() => undefined)
  return bot
}

/** Bytes allocated for an update. Nothing is collected meanwhile, because the young generation is large enough. */
async function bytes(bot: Bot): Promise<number> {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  await feed(bot)
  return (process.memoryUsage().heapUsed - before) / UPDATES
}

const plain = guarded(() => undefined)
// The same once more: the difference between two equal contenders is the error of measurement.
const again = guarded(() => undefined)
const rivals = new Map([
  ['the same, seen by nobody', again],
  ['tracing(), no SDK registered', guarded((guard) => void tracing(guard))],
  ['metrics()', guarded((guard) => void metrics(guard))],
  ['health()', guarded((guard) => void health(guard))],
  ['stats()', guarded(() => undefined, { stats: stats() })],
])

const nowhere: SpanProcessor = {
  onStart: () => undefined,
  onEnd: () => undefined,
  forceFlush: async () => undefined,
  shutdown: async () => undefined,
}

async function compare(name: string, bot: Bot, most?: number): Promise<Finding[]> {
  const ratios: number[] = []
  const extra: number[] = []
  await feed(plain)
  await feed(bot)
  for (let round = 0; round < ROUNDS; round++) {
    // The order alternates, because the second contender finds warm caches.
    const order = round % 2 === 0 ? [plain, bot] : [bot, plain]
    const times = new Map<Bot, number>()
    for (const each of order) times.set(each, await processorTime(UPDATES, () => feed(each)))
    ratios.push((times.get(bot) as number) / (times.get(plain) as number))
  }
  for (let round = 0; round < 7; round++) extra.push((await bytes(bot)) - (await bytes(plain)))
  return [
    {
      what: `${name}: an update beside one without`,
      measured: median(ratios),
      unit: 'times',
      ...(most && { most }),
    },
    { what: `${name}: allocated more an update`, measured: median(extra), unit: 'bytes' },
  ]
}

const findings: Finding[] = []
for (const [name, bot] of rivals) {
  findings.push(...(await compare(name, bot, name.startsWith('tracing') ? 1.1 : undefined)))
}
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [nowhere] }))
findings.push(
  ...(await compare('tracing(), every update recorded', rivals.get('tracing(), no SDK registered') as Bot)),
)
if (run(findings)) process.exitCode = 1
// The timers of health() do not keep the process alive, but something else might.
process.exit()
