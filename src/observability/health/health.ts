import { z } from 'zod'
import { type Clock, quietTimers, steadyClock, systemClock, type Timers } from '../../core/clock.js'
import type { Duration, Ms } from '../../core/duration.js'
import { errorText } from '../../core/redact.js'
import { callable, duration, given, option, parseOptions } from '../../middleware/options/schema.js'
import type { CircuitState } from '../../storage/condition.js'
import { type Answer, answerFetch, answerNode, type NodeRequest, type NodeResponse } from '../answer.js'
import type { Observed } from '../observed.js'
import type { SentinelHealth } from './data.js'
import { Lag } from './lag.js'

const healthOptions = z.strictObject({
  maxLag: option(duration, 'Event loops that are later are not ready.', '1s'),
  deadLag: option(duration, 'Event loops that are later are not live.', '10s'),
  maxSilence: option(duration, 'Without an update for longer, it is not live.'),
  whileDown: option(z.enum(['unready', 'ready']), 'Whether it is ready without its storage.', 'unready'),
  timeout: option(duration, 'How long the storage is asked.', '2s'),
  maxAge: option(duration, 'How long an answer is given again.', '1s'),
  clock: option(callable<Clock>(), 'Tells the time in milliseconds since 1970.'),
  steady: option(callable<Clock>(), 'Tells how time passes.'),
  timers: option(
    given<Timers>('timers: an object with after(ms, run)', (value) => typeof value === 'object'),
    'Schedules.',
  ),
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
  /** An event loop that was later than this, within half a minute, is not ready. @default '1s' */
  readonly maxLag?: Duration | undefined
  /** An event loop that was later than this is not live. @default '10s' */
  readonly deadLag?: Duration | undefined
  /** Without an update for longer than this it is not live. Only for bots that are never quiet for so long. @default never */
  readonly maxSilence?: Duration | undefined
  /** Whether it is ready while its storage is down: guards go by their `onFailure` then. @default 'unready' */
  readonly whileDown?: 'unready' | 'ready' | undefined
  /** How long the storage is waited for. @default '2s' */
  readonly timeout?: Duration | undefined
  /** How long an answer is given again, so that who asks too often asks the storage no more. @default '1s' */
  readonly maxAge?: Duration | undefined
  /** Tells the time in milliseconds since 1970. @default Date.now */
  readonly clock?: Clock | undefined
  /** Tells how time passes, in milliseconds. @default performance.now */
  readonly steady?: Clock | undefined
  /** Schedules looks at the event loop. @default setTimeout, which keeps no process alive */
  readonly timers?: Timers | undefined
}

/**
 * Why a process is not live or not ready; stable.
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
 * How a guarded process is.
 *
 * @example
 * ```ts
 * import type { HealthReport } from 'grammy-sentinel/health'
 *
 * const line = ({ live, ready, problems }: HealthReport): string => `${live} ${ready} ${problems.join(' ')}`
 * ```
 */
export interface HealthReport {
  /** Whether it works at all; if not, start it again. */
  readonly live: boolean
  /** Whether it should be sent updates. */
  readonly ready: boolean
  readonly problems: readonly HealthProblem[]
  readonly storage: {
    /** Which, such as `redis`. */
    readonly kind: string
    readonly ok: boolean
    /** Of the breaker around it, if there is one. */
    readonly circuit?: CircuitState
    /** Why the last call that failed did: a code such as `ECONNREFUSED`. */
    readonly reason?: string
  }
  /** By how much the event loop was late, at the worst of the last half minute, in milliseconds. */
  readonly lagMs: Ms
  /** When the last update came, in milliseconds since 1970. Absent: none has since this began to watch. */
  readonly lastUpdateAt?: Ms
}

/**
 * The health of a process, and the ways to have it asked for.
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
  /** Does not reject. */
  check(): Promise<HealthReport>
  /**
   * For `node:http`: `…/livez` answers whether it is live, `…/readyz` whether it is ready, any other path tells all; 200 if so, else
   * 503, with the {@link HealthReport} as JSON. It holds no ids and no secrets.
   */
  readonly handler: (request: NodeRequest, response: NodeResponse) => Promise<void>
  /** The same for whatever speaks `fetch`. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Stops watching. */
  close(): void
}

const NO_ANSWER: HealthReport['storage'] = { kind: 'unknown', ok: false }

/**
 * Tells whether a process is live and ready, for orchestrators and load balancers: whether the storage answers and its breaker is
 * closed, how late the event loop is, when the last update came.
 *
 * @param guard What `sentinel()` gave.
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
  const { maxLag = 1000, deadLag = 10_000, maxSilence, whileDown = 'unready', timeout = 2000 } = settings
  const { maxAge = 1000, clock = systemClock, steady = steadyClock, timers = quietTimers } = settings
  const lag = new Lag(steady, timers)
  const since = clock()
  let lastUpdateAt: Ms | undefined
  const unprobe = guard.probe({
    update(ctx, next, go) {
      lastUpdateAt = clock()
      return go(ctx, next)
    },
    unread() {
      lastUpdateAt = clock()
    },
  })
  let known: { readonly at: Ms; readonly health: Promise<SentinelHealth | undefined> } | undefined

  const healthNow = (): Promise<SentinelHealth | undefined> => {
    const now = steady()
    if (known === undefined || now - known.at >= maxAge) {
      known = { at: now, health: bounded(guard.health(), timeout, timers) }
    }
    return known.health
  }

  const check = async (): Promise<HealthReport> => {
    const answered = await healthNow()
    const storage = answered === undefined ? NO_ANSWER : storageOf(answered)
    const draining = answered?.draining === true
    const lagMs = lag.most
    const open = storage.circuit !== undefined && storage.circuit !== 'closed'
    const ofStorage: HealthProblem[] = [
      ...(answered === undefined
        ? (['storage.late'] as const)
        : storage.ok
          ? []
          : (['storage.down'] as const)),
      ...(open ? (['circuit.open'] as const) : []),
    ]
    const silent = maxSilence !== undefined && clock() - (lastUpdateAt ?? since) > maxSilence
    const problems: HealthProblem[] = [
      ...ofStorage,
      ...(draining ? (['draining'] as const) : []),
      ...(lagMs > maxLag ? (['lag'] as const) : []),
      ...(silent ? (['silence'] as const) : []),
    ]
    const live = lagMs <= deadLag && !silent
    const ready = live && !draining && lagMs <= maxLag && (ofStorage.length === 0 || whileDown === 'ready')
    return { live, ready, problems, storage, lagMs, ...(lastUpdateAt !== undefined && { lastUpdateAt }) }
  }

  const answering = async (path: string): Promise<Answer> => {
    const report = await check()
    const good = /\/(livez|live)$/.test(path) ? report.live : report.ready
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
      unprobe()
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

/** Undefined when it takes too long, or fails. */
function bounded<T>(work: Promise<T>, ms: Ms, timers: Timers): Promise<T | undefined> {
  return new Promise((resolve) => {
    const callOff = timers.after(ms, () => resolve(undefined))
    const done = (value: T | undefined): void => {
      callOff()
      resolve(value)
    }
    // A sentinel's health does not reject; another's would be a storage that does not tell.
    work.then(done, () => done(undefined))
  })
}
