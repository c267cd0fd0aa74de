import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Bot } from 'grammy'
import { Registry } from 'prom-client'
import { systemClock, systemTimers } from '../../src/core/clock.js'
import { throttle } from '../../src/index.js'
import { CATALOGUE, MTPROTO_CATALOGUE } from '../../src/observability/metrics/catalogue.js'
import { metrics } from '../../src/observability/metrics/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { redis } from '../../src/storage/redis/index.js'
import type { GuardedContext } from '../middleware/rig.js'
import { type Desk, desk, joins, says } from '../sentinel/desk.js'
import { needPrometheus } from '../servers/install.js'
import { type PrometheusServer, startPrometheus } from '../servers/prometheus.js'
import { freshName, sharedRedis } from '../servers/shared.js'
import { until } from '../servers/until.js'
import { type MtprotoWorker, startMtprotoWorker } from './mtproto-worker.js'

const RULES = 'observability/prometheus/sentinel.rules.yml'
const TESTS = 'observability/prometheus/sentinel.rules.test.yml'
const rules = readFileSync(RULES, 'utf8')
const tests = readFileSync(TESTS, 'utf8')
const alerts = [...rules.matchAll(/^ {6}- alert: (\w+)$/gm)].map(([, name]) => name as string)

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}
interface Dashboard {
  readonly uid: string
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] }
}

const dashboards = readdirSync('observability/grafana').map((name) => [
  name,
  readFileSync(`observability/grafana/${name}`, 'utf8'),
])

const METRICS = Object.keys({ ...CATALOGUE, ...MTPROTO_CATALOGUE })

/** Returns the names of our metrics in a text. */
function named(text: string): string[] {
  const names = text.match(/\bsentinel_[a-z_]+/g) ?? []
  return [
    ...new Set(
      names.map((name) => (METRICS.includes(name) ? name : name.replace(/_(bucket|sum|count)$/, ''))),
    ),
  ]
}

describe('the alerting rules', () => {
  test.each([
    ['pass the checks of promtool', ['check', 'rules', RULES]],
    ['pass their tests in promtool', ['test', 'rules', TESTS]],
  ])(
    '%s',
    async (_, args) => {
      const { promtool } = await needPrometheus()
      const { status, stdout, stderr } = spawnSync(promtool, args, { encoding: 'utf8' })
      expect([stdout.includes('FAILED') ? stdout : '', stderr, status]).toEqual(['', '', 0])
    },
    120_000,
  )

  test.each(alerts)('%s has tests and a complete runbook', (alert) => {
    const cases = tests.split(`alertname: ${alert}\n`).slice(1)
    expect(cases.some((text) => /^\s+exp_alerts:\n/.test(text))).toBe(true)
    const [, rest = ''] = rules.split(`- alert: ${alert}\n`)
    const [, page = ''] = /runbook: (\S+)/.exec(rest) ?? []
    expect(existsSync(page)).toBe(true)
    const runbook = readFileSync(page, 'utf8')
    expect(runbook).toMatch(new RegExp(`^# ${alert}$`, 'm'))
    for (const heading of ['What it means', 'What users notice', 'Find out', 'Mend it']) {
      expect(runbook).toContain(`## ${heading}`)
    }
    const [, expression = ''] = /expr: \|\n([\s\S]*?)\n\s+for:/.exec(rest) ?? []
    expect(expression).not.toBe('')
  })

  test('use only metrics that exist', () => {
    expect(named(rules).filter((name) => !METRICS.includes(name))).toEqual([])
    expect(alerts.length).toBeGreaterThan(10)
  })

  test('leave no runbook without an alert', () => {
    const pages = readdirSync('docs/runbooks').filter((page) => page !== 'README.md')
    expect(pages.filter((page) => !rules.includes(`runbook: docs/runbooks/${page}\n`))).toEqual([])
  })
})

describe.each(dashboards)('the dashboard %s', (_, text = '') => {
  const { panels, templating } = JSON.parse(text) as Dashboard

  test('shows every metric, describes each panel, and has no overlapping panels', () => {
    expect(named(text).filter((name) => !METRICS.includes(name))).toEqual([])
    expect(METRICS.filter((name) => !named(text).includes(name))).toEqual([])
    const seen = new Set<string>()
    const overlaid: string[] = []
    for (const { id, type, title, description = '', gridPos } of panels) {
      expect(seen.has(`${id}`)).toBe(false)
      seen.add(`${id}`)
      if (type !== 'row') expect([title, description.length > 10]).toEqual([title, true])
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          if (seen.has(`${x} ${y}`)) overlaid.push(title)
          seen.add(`${x} ${y}`)
        }
      }
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
    }
    expect(overlaid).toEqual([])
  })

  describe('with a Prometheus that scrapes a guarded bot', () => {
    let server: Server
    let prometheus: PrometheusServer
    let workers: readonly Desk[]
    let bridged: MtprotoWorker
    const closing: (() => Promise<void> | void)[] = []

    beforeAll(async () => {
      const storage = redis(await sharedRedis(), { prefix: freshName() })
      const real = { clock: systemClock, timers: systemTimers }
      const options = { ...real, throttle: { limit: '5/1m' }, users: true } as const
      const shadow = [{ limit: '5/1m' }, { name: 'strict', limit: '1/1m', shadow: true }] as const
      const guarded = (bot: Bot<GuardedContext>): void => void bot.on('message', throttle('3/1m'))
      const far = desk({ ...options, storage, throttle: shadow }, guarded)
      // With so few subjects, some are evicted.
      const near = desk({ ...options, storage: memory({ maxSubjects: 4 }) }, guarded)
      workers = [far, near]
      bridged = await startMtprotoWorker()
      const registry = new Registry()
      for (const { guard } of workers) {
        metrics(guard, { registry, process: true, mtproto: bridged.client })
        guard.hook('before:throttle', async function counting() {})
        guard.on('error', () => undefined)
        guard.on('warning', () => undefined)
        guard.membership.on('joined', () => undefined)
        guard.on('blocked', () => {
          throw new Error('what a listener throws')
        })
      }
      const seen = metrics(desk(real).guard, { registry, name: 'quiet' })
      server = createServer(seen.handler).listen(0, '127.0.0.1')
      await until('it listens', () => server.listening)
      const target = `127.0.0.1:${(server.address() as AddressInfo).port}`
      // Rules are evaluated as often as metrics are scraped, so that the test need not wait for a minute.
      prometheus = await startPrometheus({
        targets: [target],
        rules: rules.replaceAll(/interval: \d+m/g, 'interval: 200ms'),
      })
      closing.push(
        () => prometheus.stop(),
        () => new Promise<void>((closed) => void server.close(() => closed())),
        ...workers.map(
          ({ guard }) =>
            () =>
              guard.close(),
        ),
        () => storage.close(),
        () => bridged.close(),
      )
    })

    afterAll(async () => {
      for (const close of closing) await close()
    })

    test('every query returns data', async () => {
      const queries = panels.flatMap(({ title, targets = [] }) =>
        targets.map(({ expr }) => [title, expr] as const),
      )
      expect(queries.length).toBeGreaterThan(50)
      let silent = new Map(queries.map(([title, expr]) => [expr, title]))
      let nth = 0
      await until(
        'every panel shows something',
        async () => {
          nth++
          await bridged.work()
          for (const { guard, handle } of workers) {
            for (let from = 1; from <= 8; from++) await handle(says(from, `nth ${nth}`))
            await handle(joins(1000 + nth))
            // A new user each time, because a notice is not repeated to the same user so soon.
            for (let said = 0; said < 6; said++) await handle(says(3000 + nth, `nth ${said}`))
            await guard.block(2000 + nth)
            await handle(says(2000 + nth, 'blocked'))
          }
          const left = new Map<string, string>()
          for (const [expr, title] of silent) {
            const expression = expr
              .replaceAll('$__rate_interval', '10s')
              .replaceAll('$job', '.*')
              .replaceAll('$sentinel', '.*')
            const results = await prometheus.query(expression)
            // The quotient of two zeros is NaN, which a panel shows as no data.
            if (!results.some(({ value: [, value] }) => !Number.isNaN(Number(value)))) left.set(expr, title)
          }
          silent = left
          return silent.size === 0
        },
        100_000,
      ).catch((error: unknown) => {
        throw new Error(`no data: ${[...silent].map(([expr, title]) => `${title}: ${expr}`).join('\n')}`, {
          cause: error,
        })
      })
    })

    test('the variables find the job and the sentinels', async () => {
      const metric = templating.list.find(({ name }) => name === 'sentinel')?.query
      expect(metric).toBe('label_values(sentinel_verdicts_total{job=~"$job"}, sentinel)')
      for (const { handle } of workers) await handle(says(1, 'hello'))
      let found: string[] = []
      await until('both sentinels are scraped', async () => {
        const series = await prometheus.query('group by (job, sentinel) (sentinel_verdicts_total{job=~".*"})')
        found = series.map((each) => `${each.metric.job} ${each.metric.sentinel}`).sort()
        return found.length >= workers.length
      })
      expect(found).toEqual(['bot 1', 'bot 2'])
    })

    test('Prometheus accepts the rules, and no alert fires', async () => {
      let all: { name: string; health: string; state?: string }[] = []
      await until('every rule was evaluated', async () => {
        const answer = await fetch(`${prometheus.url}/api/v1/rules`)
        const { data } = (await answer.json()) as { data: { groups: { rules: typeof all }[] } }
        all = data.groups.flatMap((group) => group.rules)
        return all.every(({ health }) => health !== 'unknown')
      })
      expect(all.filter(({ health }) => health === 'err')).toEqual([])
      expect(
        all
          .filter(({ state }) => state !== undefined)
          .map(({ name }) => name)
          .sort(),
      ).toEqual([...alerts].sort())
      expect(all.filter(({ state }) => state === 'firing')).toEqual([])
    })
  })
})
