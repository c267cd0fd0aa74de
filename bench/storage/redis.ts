import { redis } from 'grammy-sentinel/redis'
import { Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { type Finding, median } from '../compare.js'
import { BOT, buckets, CHAIN, registered, USERS, WIDE } from './chain.js'
import { type Contender, latency, next, ours, type Rounds, rates } from './load.js'

function flexible(client: Redis): Contender {
  const limiter = new RateLimiterRedis({ storeClient: client, points: 30_000_000, duration: 60 })
  return {
    name: 'rate-limiter-flexible',
    once: async (nth) => limiter.consume(String(1 + (nth % USERS))),
  }
}

/** The chain written by hand: four commands in sequence. */
function naive(client: Redis): Contender {
  return {
    name: 'naive chain of four commands',
    async once(nth) {
      const user = 1 + (nth % USERS)
      if ((await client.get(`n:block:${user}`)) !== null) throw new Error('blocked')
      if ((await client.sismember('n:registered', user)) === 0) throw new Error('not registered')
      if ((await client.set(`n:once:${nth}`, '1', 'PX', 60_000, 'NX')) === null) throw new Error('twice')
      if ((await client.incr(`n:limit:${user}`)) > 1e9) throw new Error('too many')
    },
  }
}

/** The chain written by hand as one script, with nothing more than it needs. */
const BY_HAND = `
if redis.call('GET', KEYS[1]) then return 1 end
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0 then return 2 end
if not redis.call('SET', KEYS[3], '1', 'PX', 60000, 'NX') then return 3 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local b = redis.call('HMGET', KEYS[4], 'n', 't')
local left = math.min(30000, (tonumber(b[1]) or 30000) + (now - (tonumber(b[2]) or now)))
if left < 1 then return 4 end
redis.call('HSET', KEYS[4], 'n', left - 1, 't', now)
redis.call('PEXPIRE', KEYS[4], 60000)
if not redis.call('SET', KEYS[5], '1', 'PX', 500, 'NX') then return 5 end
return 0
`

async function byHand(client: Redis): Promise<Contender> {
  const sha = (await client.script('LOAD', BY_HAND)) as string
  return {
    name: 'one script by hand',
    async once(nth) {
      const user = 1 + (nth % USERS)
      const keys = [`h:block:${user}`, 'n:registered', `h:once:${nth}`, `h:limit:${user}`, `h:tap:${nth}`]
      if ((await client.evalsha(sha, 5, ...keys, user)) !== 0) throw new Error('refused')
    },
  }
}

/** Processor time of the server per update, in microseconds. */
async function serverTime(
  client: Redis,
  contender: Contender,
  inFlight: number,
  times: number,
): Promise<number> {
  const before = await processorTime(client)
  let left = times
  const from = next(times)
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (left-- > 0) await contender.once(from + left)
    }),
  )
  return ((await processorTime(client)) - before) / times
}

async function processorTime(client: Redis): Promise<number> {
  const told = await client.info('cpu')
  const seconds = [...told.matchAll(/used_cpu_(?:user|sys)_main_thread:([\d.]+)/g)].map((match) =>
    Number(match[1]),
  )
  return seconds.reduce((a, b) => a + b, 0) * 1_000_000
}

/** Compares the storage to hand-written solutions, in turn and in many rounds. */
export async function benchRedis(url: string, rounds: Rounds): Promise<Finding[]> {
  const client = new Redis(url)
  const storage = redis(url)
  try {
    await client.flushall()
    for (let from = 1; from <= USERS; from += 1000) {
      await client.sadd('n:registered', ...Array.from({ length: 1000 }, (_, index) => from + index))
    }
    await storage.marks.put(BOT, 'registered', registered())
    const chain = await ours(storage, 'grammy-sentinel', CHAIN)
    const wide = await ours(storage, 'grammy-sentinel, with a chat and a global bucket', WIDE)
    const two = await ours(storage, 'two buckets', buckets(2))
    const ten = await ours(storage, 'ten buckets', buckets(10))
    const ping: Contender = { name: 'PING', once: () => client.ping() }
    const four = naive(client)
    const limiter = flexible(client)
    const hand = await byHand(client)

    const measure = async (
      inFlight: number,
      contenders: readonly Contender[],
    ): Promise<(one: Contender, other: Contender) => number> => {
      const found = await rates(contenders, inFlight, rounds)
      for (const [name, value] of found) console.log(`${inFlight} in flight: ${name}: ${Math.round(value)}/s`)
      return (one, other) => (found.get(one.name) as number) / (found.get(other.name) as number)
    }
    const at64 = await measure(64, [chain, wide, four, limiter, ping])
    const at256 = await measure(256, [chain, four, ping])
    const checks = await measure(64, [two, ten])
    const p50: [ours: number[], ping: number[]] = [[], []]
    const server: [ours: number[], hand: number[]] = [[], []]
    for (let round = 0; round < rounds.rounds; round++) {
      p50[0].push(await latency(chain, 2000, next(2000)))
      p50[1].push(await latency(ping, 2000, next(2000)))
      server[0].push(await serverTime(client, chain, 64, 10_000))
      server[1].push(await serverTime(client, hand, 64, 10_000))
    }
    console.log(`one in flight: ${median(p50[0]).toFixed(0)} us, PING ${median(p50[1]).toFixed(0)} us`)
    console.log(
      `on the server: ${median(server[0]).toFixed(1)} us, by hand ${median(server[1]).toFixed(1)} us`,
    )
    const redisAt = (what: string): string => `Redis, ${what}`
    return [
      {
        what: redisAt('64 in flight, against four commands'),
        measured: at64(chain, four),
        unit: 'x',
        least: 5,
      },
      {
        what: redisAt('64 in flight, against rate-limiter-flexible'),
        measured: at64(chain, limiter),
        unit: 'x',
        least: 2,
      },
      { what: redisAt('64 in flight, against PING'), measured: at64(chain, ping), unit: 'x', least: 1 },
      {
        what: redisAt('256 in flight, against four commands'),
        measured: at256(chain, four),
        unit: 'x',
        least: 6,
      },
      {
        what: redisAt('64 in flight, with a chat and a global bucket, against four commands'),
        measured: at64(wide, four),
        unit: 'x',
        least: 3,
      },
      {
        what: redisAt('one in flight, p50 to that of PING'),
        measured: median(p50[0]) / median(p50[1]),
        unit: 'x',
        most: 1.7,
      },
      {
        what: redisAt("the server's time an update to that of one script by hand"),
        measured: median(server[0]) / median(server[1]),
        unit: 'x',
        most: 2,
      },
      {
        what: redisAt('ten checks against two, 64 in flight'),
        measured: checks(two, ten),
        unit: 'x',
        most: 1.6,
      },
    ]
  } finally {
    await storage.close()
    client.disconnect()
  }
}
