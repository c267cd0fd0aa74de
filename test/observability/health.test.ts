import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock, systemTimers } from '../../src/core/clock.js'
import { memory, sentinel } from '../../src/index.js'
import { type HealthOptions, health } from '../../src/observability/health/index.js'
import { redis } from '../../src/storage/redis/index.js'
import { type Desk, desk, later, says } from '../sentinel/desk.js'
import { startRedis } from '../servers/redis.js'
import { until } from '../servers/until.js'

function watched(options: HealthOptions = {}, guarded: Parameters<typeof desk>[0] = {}) {
  const stage: Desk = desk(guarded)
  const { clock, timers } = stage.time
  const probes = health(stage.guard, { clock, steady: clock, timers, ...options })
  return { stage, probes }
}

test('a working process is live and ready', async () => {
  const { stage, probes } = watched()
  expect(await probes.check()).toEqual({
    live: true,
    ready: true,
    problems: [],
    storage: { kind: 'memory', ok: true },
    lagMs: 0,
  })
  await stage.says(7, 'a')
  expect((await probes.check()).lastUpdateAt).toBe(stage.time.now)
})

/** A clock that can advance while no timers run, as when the event loop is blocked. */
class Standing {
  now = 0
  private due: { readonly at: number; readonly run: () => void }[] = []
  readonly timers = {
    after: (ms: number, run: () => void) => {
      const timer = { at: this.now + ms, run }
      this.due.push(timer)
      return () => {
        this.due = this.due.filter((other) => other !== timer)
      }
    },
  }

  get armed(): number {
    return this.due.length
  }

  runs(): void {
    for (const timer of this.due.splice(0)) {
      if (timer.at <= this.now) timer.run()
      else this.due.push(timer)
    }
  }

  passes(ms: number): void {
    for (let left = ms; left > 0; left -= 100) {
      this.now += 100
      this.runs()
    }
  }
}

test('guard.health() reports the last update, recorded from the first call on', async () => {
  const { guard, says, time } = desk()
  await says(7, 'a')
  expect((await guard.health()).lastUpdateAt).toBeUndefined()
  time.advance(1000)
  await says(7, 'b')
  const at = time.now
  time.advance(1000)
  expect((await guard.health()).lastUpdateAt).toBe(at)
})

test('updates held back under earlier options are reported until they are handled', async () => {
  const leave: (() => void)[] = []
  const { guard, handle } = desk({ concurrency: { scope: 'global', most: 1, queue: 10 } }, (bot) =>
    bot.use(() => new Promise<void>((done) => leave.push(done))),
  )
  const at = async (many: number) => until(`${many} are at work`, () => leave.length === many)
  const all = [handle(says(1, 'a'))]
  await at(1)
  all.push(handle(says(1, 'b')), handle(says(2, 'c')))
  const held = async () => (await guard.health()).held
  await until('both wait', async () => (await held()).concurrency === 2)
  guard.reconfigure({ throttle: '99/1m' })
  expect(await held()).toEqual({ concurrency: 2 })
  for (let nth = 0; nth < 3; nth++) {
    await at(nth + 1)
    leave[nth]?.()
  }
  await Promise.all(all)
  expect((await held()).concurrency).toBe(0)
  await guard.close()
})

test('a late event loop makes the process not ready, and a blocked one not live, for half a minute', async () => {
  const time = new Standing()
  const probes = health(sentinel(), {
    maxLag: '1s',
    deadLag: '10s',
    timers: time.timers,
    steady: () => time.now,
  })
  time.now += 3000
  time.runs()
  expect(await probes.check()).toMatchObject({ live: true, ready: false, problems: ['lag'], lagMs: 2500 })
  time.passes(29_000)
  expect((await probes.check()).ready).toBe(false)
  time.passes(2000)
  expect((await probes.check()).ready).toBe(true)
  // Checked before the timer could measure the delay.
  time.now += 20_000
  expect(await probes.check()).toMatchObject({ live: false, ready: false, problems: ['lag'] })
  probes.close()
  time.runs()
  expect(time.armed).toBe(0)
})

test('once closed, no delay is reported', async () => {
  const { stage, probes } = watched()
  probes.close()
  stage.time.advance(60_000)
  expect(await probes.check()).toMatchObject({ live: true, ready: true, lagMs: 0 })
})

test('with maxSilence, a bot is not live when updates stop', async () => {
  const { stage, probes } = watched({ maxSilence: '1m' })
  await stage.says(7, 'a')
  stage.time.advance(60_000)
  expect((await probes.check()).live).toBe(true)
  stage.time.advance(1)
  expect(await probes.check()).toMatchObject({ live: false, problems: ['silence'] })
  await stage.says(7, 'b')
  expect((await probes.check()).live).toBe(true)
})

test('a storage whose health does not arrive in time counts as not ready', async () => {
  const storage = { ...later(), health: () => new Promise<never>(() => undefined) }
  const { stage, probes } = watched({ timeout: '2s' }, { storage })
  stage.guard.on('error', () => undefined)
  const checking = probes.check()
  stage.time.advance(2000)
  expect(await checking).toMatchObject({ live: true, ready: false })
  await stage.guard.close()
})

test('while the storage hangs, liveness is answered at once and readiness within half a second', async () => {
  let hangs = false
  const hanging = new Promise<never>(() => undefined)
  const storage = { ...later(), health: async () => (hangs ? hanging : { ok: true, kind: 'far' }) }
  const { stage, probes } = watched({}, { storage })
  stage.guard.on('error', () => undefined)
  const ask = async (path: string) => {
    const answer = await probes.fetch(new Request(`http://bot.test${path}`))
    return [answer.status, await answer.json()]
  }
  expect(await ask('/livez')).toMatchObject([200, { ready: true, storage: { kind: 'far', ok: true } }])
  hangs = true
  stage.time.advance(1000)
  expect(await ask('/livez')).toMatchObject([200, { ready: true }])
  const readiness = ask('/readyz')
  stage.time.advance(500)
  const late = { live: true, ready: false, problems: ['storage.late'], storage: { kind: 'far', ok: false } }
  expect(await readiness).toMatchObject([503, late])
  expect(await ask('/livez')).toMatchObject([200, late])
  await stage.guard.close()
})

test('the same answer is reused for maxAge', async () => {
  let asked = 0
  const guard = sentinel()
  const observed = {
    probe: guard.probe.bind(guard),
    on: guard.on.bind(guard),
    health: () => {
      asked++
      return guard.health()
    },
  }
  let now = 0
  const timers = { after: () => () => undefined }
  const probes = health(observed, { maxAge: '1s', steady: () => now, timers })
  await Promise.all([probes.check(), probes.check()])
  await probes.check()
  expect(asked).toBe(1)
  now = 1000
  await probes.check()
  expect(asked).toBe(2)
})

test('when Redis fails and returns, the process is not ready, and ready again', async () => {
  const server = await startRedis()
  const storage = redis(server.url)
  const { guard, says } = desk({ storage, clock: systemClock, timers: systemTimers })
  guard.on('storage.down', () => undefined)
  guard.on('storage.up', () => undefined)
  guard.on('error', () => undefined)
  const strict = health(guard, { maxAge: 0, maxLag: '1m', deadLag: '1m' })
  const lenient = health(guard, { maxAge: 0, maxLag: '1m', deadLag: '1m', whileDown: 'ready' })
  await until('it is ready', async () => (await strict.check()).ready)
  await server.kill()
  await until('its breaker opens', async () => {
    await says(7, 'decided in memory')
    return (await strict.check()).storage.circuit === 'open'
  })
  expect(await strict.check()).toMatchObject({ live: true, ready: false, storage: { ok: false } })
  expect((await strict.check()).problems).toEqual(['storage.down', 'circuit.open'])
  expect((await lenient.check()).ready).toBe(true)
  await server.restart()
  await until('it is ready again', async () => (await strict.check()).ready)
  strict.close()
  lenient.close()
  await guard.close()
  await storage.close()
  await server.stop()
})

test('probes are answered through node:http and fetch', async () => {
  const { stage, probes } = watched(
    { maxSilence: '1h' },
    { storage: { ...later(), health: async () => ({ ok: false, kind: 'far' }) } },
  )
  const server = createServer(probes.handler).listen(0, '127.0.0.1')
  await until('it listens', () => server.listening)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const ask of [fetch, (path: string) => probes.fetch(new Request(path))]) {
    const [live, ready, all] = await Promise.all(
      ['/livez', '/probes/readyz', '/health?x=1'].map((path) => ask(url + path)),
    )
    expect([live?.status, ready?.status, all?.status]).toEqual([200, 503, 503])
    expect(live?.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(live?.headers.get('cache-control')).toBe('no-store')
    expect(await ready?.json()).toMatchObject({
      live: true,
      ready: false,
      storage: { kind: 'far', ok: false },
    })
  }
  await new Promise((closed) => server.close(closed))
  await stage.guard.close()
})

test('wrong options are named', () => {
  expect(() => watched({ maxLagg: '1s' } as object)).toThrow(/maxLagg.*maxLag/)
  expect(() => watched({ whileDown: 'maybe' as 'ready' })).toThrow(/health.whileDown/)
})

describe('a process that admits no more updates is live, but not ready', () => {
  const readyz = new Request('http://bot.test/readyz')
  const livez = new Request('http://bot.test/livez')

  test('while a webhook drains', async () => {
    const leave: (() => void)[] = []
    const stage = desk({}, (bot) => bot.use(() => new Promise<void>((done) => leave.push(done))))
    const { clock, timers } = stage.time
    const probes = health(stage.guard, { clock, steady: clock, timers })
    const webhook = stage.guard.webhook(stage.bot, { secret: 's' })
    const ask = async (id: number): Promise<number> => {
      const body = JSON.stringify({ ...says(7, 'hello'), update_id: id })
      const headers = { 'x-telegram-bot-api-secret-token': 's' }
      return (await webhook.fetch(new Request('http://bot.test/hook', { method: 'POST', body, headers })))
        .status
    }
    const first = ask(1)
    await until('its handler runs', () => leave.length === 1)
    expect((await probes.fetch(readyz)).status).toBe(200)
    const drained = webhook.drain()
    // At once: the storage's answer of the probe before is still fresh.
    expect(await ask(2)).toBe(503)
    expect((await probes.fetch(readyz)).status).toBe(503)
    expect((await probes.fetch(livez)).status).toBe(200)
    expect(await probes.check()).toMatchObject({ live: true, ready: false, problems: ['draining'] })
    leave[0]?.()
    expect([await first, await drained]).toEqual([200, { left: 0 }])
  })

  test('while all webhooks drain, but not while only one of them does', async () => {
    const { guard, bot, another, time } = desk()
    const probes = health(guard, { clock: time.clock, steady: time.clock, timers: time.timers })
    const webhooks = [bot, another(43).bot].map((each) => guard.webhook(each, { secret: 's' }))
    const ready: boolean[] = []
    for (const webhook of webhooks) {
      await webhook.drain()
      ready.push((await probes.check()).ready)
    }
    expect(ready).toEqual([true, false])
  })

  test('while a webhook drains and the storage does not answer, even with whileDown: ready', async () => {
    const storage = Object.assign(memory(), { health: () => new Promise<never>(() => undefined) })
    const { stage, probes } = watched({ whileDown: 'ready' }, { storage })
    const webhook = stage.guard.webhook(stage.bot, { secret: 's' })
    const late = async () => {
      const report = probes.check()
      await later()
      stage.time.advance(500)
      return report
    }
    expect(await late()).toMatchObject({ ready: true, problems: ['storage.late'] })
    await webhook.drain()
    expect(await probes.check()).toMatchObject({ ready: false, problems: ['storage.late', 'draining'] })
  })

  test('once the guard is closed', async () => {
    const { stage, probes } = watched()
    expect((await stage.guard.health()).draining).toBeUndefined()
    await stage.guard.close()
    expect(await probes.check()).toMatchObject({ live: true, ready: false })
    expect((await stage.guard.health()).draining).toBe(true)
  })
})
