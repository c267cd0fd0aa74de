import { z } from 'zod'
import { type Clock, quietTimers, steadyClock, systemClock, type Timers } from '../../core/clock.js'
import type { Duration, Ms } from '../../core/duration.js'
import { errorText } from '../../core/redact.js'
import { insights } from '../../middleware/chain/health.js'
import { callable, duration, option, parseOptions } from '../../middleware/options/schema.js'
import type { CircuitState } from '../../storage/contract/condition.js'
import { type Answer, answerFetch, answerNode, type NodeRequest, type NodeResponse } from '../answer.js'
import type { Observed } from '../observed.js'
import { timersOption } from '../options.js'
import type { SentinelHealth } from './data.js'
import { Lag } from './lag.js'
import { lastUpdateOf } from './last-update.js'

export const healthOptions = z.strictObject({
  maxLag: option(duration, 'With an event loop delayed longer, it is not ready.', '1s'),
  deadLag: option(duration, 'With an event loop delayed longer, it is not live.', '10s'),
  maxSilence: option(duration, 'Without an update for longer, it is not live.'),
  whileDown: option(z.enum(['unready', 'ready']), 'Whether it is ready without its storage.', 'unready'),
  timeout: option(duration, 'How long the storage may take to answer.', '500ms'),
  maxAge: option(duration, 'How long an answer is reused.', '1s'),
  clock: option(callable<Clock>(), 'The clock, in milliseconds since 1970.'),
  steady: option(callable<Clock>(), 'A monotonic clock.'),
  timers: option(timersOption, 'Schedules.'),
})

/**
 * Options of {@link health}.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { type HealthOptions, health } from 'grammy-sentinel/health'
 *
 * const options: HealthOptions = { maxSilence: '1h', whileDown: 'ready' }
 * health(sentinel(), options)
 * ```
 */
export interface HealthOptions {
  /** The process is not ready if its event loop was delayed by more than this within the last half minute. @default '1s' */
  readonly maxLag?: Duration | undefined
  /** The process is not live if its event loop was delayed by more than this within the last half minute. @default '10s' */
  readonly deadLag?: Duration | undefined
  /** The process is not live without an update for longer than this. Only for bots that always have traffic. @default never */
  readonly maxSilence?: Duration | undefined
  /** Whether the process is ready while the storage is down, when guards act by their `onFailure`. @default 'unready' */
  readonly whileDown?: 'unready' | 'ready' | undefined
  /**
   * How long a readiness check waits for the storage. It should be shorter than the time-out of whoever checks, which in Kubernetes
   * is one second by default. @default '500ms'
   */
  readonly timeout?: Duration | undefined
  /** How long the answer of the storage is reused, so that frequent checks do not load the storage. @default '1s' */
  readonly maxAge?: Duration | undefined
  /** Returns the time in milliseconds since 1970. @default Date.now */
  readonly clock?: Clock | undefined
  /** A steady clock, in milliseconds. @default performance.now */
  readonly steady?: Clock | undefined
  /** Timers for measuring the event loop. @default setTimeout, without keeping the process alive */
  readonly timers?: Timers | undefined
}

/**
 * Why a process is not live or not ready. The values are stable.
 *
 * @example
 * ```ts
 * import type { HealthProblem } from 'grammy-sentinel/health'
 *
 * const ofTheStorage = (problem: HealthProblem): boolean => problem.startsWith('storage.')
 * ```
 */
export type HealthProblem = 'storage.down' | 'storage.late' | 'circuit.open' | 'draining' | 'lag' | 'silence'

/**
 * The health of a guarded process.
 *
 * @example
 * ```ts
 * import type { HealthReport } from 'grammy-sentinel/health'
 *
 * const line = ({ live, ready, problems }: HealthReport): string => `${live} ${ready} ${problems.join(' ')}`
 * ```
 */
export interface HealthReport {
  /** Whether the process works; if not, it should be restarted. */
  readonly live: boolean
  /** Whether the process should receive updates. */
  readonly ready: boolean
  readonly problems: readonly HealthProblem[]
  readonly storage: {
    /** The kind of storage, such as `redis`. */
    readonly kind: string
    readonly ok: boolean
    /** State of the storage's circuit breaker, if it has one. */
    readonly circuit?: CircuitState
    /** Why the last failed call failed: a code such as `ECONNREFUSED`. */
    readonly reason?: string
  }
  /** The longest delay of the event loop within the last half minute, in milliseconds. */
  readonly lagMs: Ms
  /** When the last update came, in milliseconds since 1970. Absent if none has come since the health check was created. */
  readonly lastUpdateAt?: Ms
}

/**
 * The health of a process, with handlers for health checks over HTTP.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { sentinel } from 'grammy-sentinel'
 * import { type Health, health } from 'grammy-sentinel/health'
 *
 * const probes: Health = health(sentinel())
 * createServer(probes.handler).listen(8080, '127.0.0.1')
 * ```
 */
export interface Health {
  /** Checks the health. Does not reject. */
  check(): Promise<HealthReport>
  /**
   * Handler for `node:http`: `…/livez` answers whether the process is live, every other path, such as `…/readyz`, whether it is
   * ready. Liveness does not depend on the storage, so `…/livez` reports its last known state without waiting for it, except in the first check. The status is 200 or 503, the body the {@link HealthReport} as JSON, which contains no ids and no secrets.
   */
  readonly handler: (request: NodeRequest, response: NodeResponse) => Promise<void>
  /** The same for the fetch API. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Stops measuring. */
  close(): void
}

const NO_ANSWER: HealthReport['storage'] = { kind: 'unknown', ok: false }

/**
 * Checks whether a process is live and ready, for orchestrators and load balancers: whether the storage answers and its circuit
 * breaker is closed, how late the event loop is, and when the last update came.
 *
 * @param guard A sentinel.
 * @param options See {@link HealthOptions}.
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { sentinel } from 'grammy-sentinel'
 * import { health } from 'grammy-sentinel/health'
 *
 * const guard = sentinel()
 * createServer(health(guard).handler).listen(8080, '127.0.0.1') // GET /livez, GET /readyz
 * ```
 */
export function health(guard: Observed, options: HealthOptions = {}): Health {
  const settings = parseOptions('health', healthOptions, options)
  const { maxLag, deadLag, maxSilence, whileDown, timeout, maxAge } = settings
  const { clock = systemClock, steady = steadyClock, timers = quietTimers } = settings
  const lag = new Lag(steady, timers)
  const since = clock()
  const lastUpdate = lastUpdateOf(guard, clock)
  let known: { readonly at: Ms; readonly health: Promise<SentinelHealth | undefined> } | undefined
  /** The last result, which is undefined if the storage was late. Absent until there is one. */
  let latest: { readonly answered: SentinelHealth | undefined } | undefined
  let lastStorage = NO_ANSWER

  const ask = async (): Promise<SentinelHealth> => {
    const health = await guard.health()
    // An answer that comes too late still tells the kind of the storage.
    lastStorage = { ...storageOf(health), ok: false }
    return health
  }

  const healthNow = (): Promise<SentinelHealth | undefined> => {
    const now = steady()
    if (known === undefined || now - known.at >= maxAge) {
      const health = bounded(ask(), timeout, timers)
      known = { at: now, health }
      void health.then((answered) => {
        latest = { answered }
      })
    }
    return known.health
  }

  const check = async (): Promise<HealthReport> => reportOf(await healthNow())

  const reportOf = (answered: SentinelHealth | undefined): HealthReport => {
    const storage = answered === undefined ? lastStorage : storageOf(answered)
    // The last answer may be older than the shutdown.
    const draining = insights.get(guard)?.isDraining() ?? answered?.draining === true
    const lagMs = lag.most
    const open = storage.circuit !== undefined && storage.circuit !== 'closed'
    const last = lastUpdate()
    const silent = maxSilence !== undefined && clock() - (last.lastUpdateAt ?? since) > maxSilence
    const problems: HealthProblem[] = []
    if (answered === undefined) problems.push('storage.late')
    else if (!storage.ok) problems.push('storage.down')
    if (open) problems.push('circuit.open')
    const isStored = problems.length === 0 || whileDown === 'ready'
    if (draining) problems.push('draining')
    if (lagMs > maxLag) problems.push('lag')
    if (silent) problems.push('silence')
    const live = lagMs <= deadLag && !silent
    const ready = live && isStored && !draining && lagMs <= maxLag
    return { live, ready, problems, storage, lagMs, ...last }
  }

  const answering = async (path: string): Promise<Answer> => {
    const isLiveness = /\/(livez|live)$/.test(path)
    const asked = healthNow()
    const report = reportOf(isLiveness && latest !== undefined ? latest.answered : await asked)
    const good = isLiveness ? report.live : report.ready
    return {
      status: good ? 200 : 503,
      type: 'application/json; charset=utf-8',
      body: `${JSON.stringify(report)}\n`,
    }
  }
  return {
    check,
    handler: (request, response) => answerNode(request, response, answering),
    fetch: (request) => answerFetch(request, answering),
    close() {
      lastUpdate.stop()
      lag.stop()
    },
  }
}

function storageOf({ storage: { kind, ok, circuit } }: SentinelHealth): HealthReport['storage'] {
  return {
    kind,
    ok,
    ...(circuit !== undefined && { circuit: circuit.state }),
    ...(circuit?.reason !== undefined && { reason: errorText(circuit.reason) }),
  }
}

/** Returns undefined if the work takes too long or fails. */
function bounded<T>(work: Promise<T>, ms: Ms, timers: Timers): Promise<T | undefined> {
  return new Promise((resolve) => {
    const callOff = timers.after(ms, () => resolve(undefined))
    const done = (value: T | undefined): void => {
      callOff()
      resolve(value)
    }
    // health() of a sentinel does not reject. If another implementation does, it counts as no answer from the storage.
    work.then(done, () => done(undefined))
  })
}
