import { Pool } from 'pg'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { hybrid } from '../../../src/storage/hybrid.js'
import { postgres } from '../../../src/storage/postgres/index.js'
import { redis } from '../../../src/storage/redis/index.js'
import { startProxy } from '../../servers/proxy.js'
import { freshName, sharedPostgres, sharedRedis } from '../../servers/shared.js'
import { Stopwatch } from '../../servers/stopwatch.js'
import { until } from '../../servers/until.js'
import { ALICE, askOf, BOT, blocked, bucket, planOf } from './desk.js'

interface Kind {
  readonly url: () => Promise<string>
  readonly open: (url: string, name: string) => Storage
  readonly clear: (url: string, name: string) => Promise<void>
}

const KINDS: Readonly<Record<string, Kind>> = {
  redis: {
    url: sharedRedis,
    open: (url, prefix) => redis(url, { prefix }),
    clear: async () => undefined,
  },
  postgres: {
    url: sharedPostgres,
    open: (url, schema) => postgres(url, { schema, connections: 3 }),
    async clear(url, schema) {
      const pool = new Pool({ connectionString: url, max: 1 })
      await pool.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
      await pool.end()
    },
  },
}

describe.each(Object.keys(KINDS))('over %s', (name) => {
  const { url: urlOf, open, clear } = KINDS[name] as Kind
  const mark = { since: 0 }

  test('a worker that was cut off sees changes within a second of reconnecting', async () => {
    const [url, place] = [await urlOf(), freshName('watch')]
    const proxy = await startProxy(Number(new URL(url).port))
    const [near, desk] = [hybrid(open(proxy.urlOf(url), place)), open(url, place)]
    try {
      const plan = planOf(blocked, bucket(1))
      const judge = await near.prepare(plan)
      await desk.prepare(plan)
      await until('it is told of changes', async () => (await near.health()).hybrid?.watching === true)
      await desk.marks.put(BOT, 'blocked', [{ key: ALICE, mark }])
      await until('the block is remembered', async () => {
        await judge.evaluate(askOf())
        return (await near.health()).hybrid?.refusals === 1
      })
      const { trips } = (await near.health()).hybrid ?? {}
      proxy.refuse()
      proxy.cut()
      await desk.marks.remove(BOT, 'blocked', [ALICE])
      // Without a connection it decides by what it knew.
      expect((await judge.evaluate(askOf())).refusedBy).toBe(0)
      expect(trips).toBeGreaterThan(0)
      await proxy.normal()
      const watch = new Stopwatch()
      await until('it is unblocked', async () => {
        try {
          return (await judge.evaluate(askOf())).refusedBy === -1
        } catch {
          // The storage is not back yet: in front of it, `resilient()` would decide.
          return false
        }
      })
      watch.stop()
      if (process.env.MEASURE !== undefined) console.log(name, Math.round(watch.passed))
      expect(watch.passed).toBeLessThan(1000)
    } finally {
      await near.close()
      await desk.close()
      await proxy.stop()
      await clear(url, place)
    }
  })

  test("a flooder needs no round trip by the server's clock, and waits no longer than the server says", async () => {
    const [url, place] = [await urlOf(), freshName('flood')]
    const near = hybrid(open(url, place))
    try {
      const judge = await near.prepare(planOf(bucket(1, { limit: { amount: 1, per: 700 } } as object)))
      await until('it is told of changes', async () => (await near.health()).hybrid?.watching === true)
      await judge.evaluate(askOf())
      const refused = await judge.evaluate(askOf())
      expect(refused.refusedBy).toBe(0)
      const watch = new Stopwatch()
      let asked = 0
      let told = Number.POSITIVE_INFINITY
      await until('it passes', async () => {
        asked++
        const decision = await judge.evaluate(askOf())
        if (decision.refusedBy === -1) return true
        expect(decision.retryAfterMs).toBeLessThanOrEqual(told)
        told = decision.retryAfterMs
        return false
      })
      watch.stop()
      expect(watch.passed - refused.retryAfterMs).toBeLessThan(1000)
      const { answered = 0 } = (await near.health()).hybrid ?? {}
      expect(answered).toBeGreaterThan(asked / 2)
    } finally {
      await near.close()
      await clear(url, place)
    }
  })
})
