import { collectDefaultMetrics, Registry } from 'prom-client'
import { z } from 'zod'
import { systemClock } from '../../core/clock.js'
import { SentinelError } from '../../core/errors.js'
import { insights } from '../../middleware/chain/health.js'
import { callable, given, option, parseOptions } from '../../middleware/options/schema.js'
import {
  type Answer,
  answerFetch,
  answerNode,
  failure,
  type NodeRequest,
  type NodeResponse,
} from '../answer.js'
import type { MtprotoObserved } from '../mtproto.js'
import type { Observed } from '../observed.js'
import { has, mtprotoOption } from '../options.js'
import { Exposition } from './exposition.js'
import { Metering } from './metering.js'
import { MtprotoMetering } from './mtproto-metering.js'

export const metricsOptions = z.strictObject({
  registry: option(
    given<Registry>('a Registry of prom-client', has('registerMetric')),
    'The registry of the metrics. Default: a registry of their own.',
  ),
  name: option(z.string().min(1, 'must be a name').max(64, 'must have 64 characters at most'), 'The label.'),
  process: option(z.boolean(), 'Adds metrics of the process.', false),
  mtproto: option(
    mtprotoOption,
    'A client of MTProto, whose calls, bytes, waits and gaps are measured as well.',
  ),
  clock: option(callable<() => number>(), 'The clock, in milliseconds since 1970.'),
})

/**
 * Options of {@link metrics}.
 *
 * @example
 * ```ts
 * import { type MetricsOptions, metrics } from 'grammy-sentinel/metrics'
 * import { sentinel } from 'grammy-sentinel'
 * import { register } from 'prom-client'
 *
 * const options: MetricsOptions = { registry: register, name: 'shop', process: true }
 * metrics(sentinel(), options)
 * ```
 */
export interface MetricsOptions {
  /** A registry of yours. @default a new one, in `metrics(…).registry` */
  readonly registry?: Registry | undefined
  /** Value of the label `sentinel`, unique within the registry. @default the name that the sentinel was given, if it is free; otherwise a number, from '1' */
  readonly name?: string | undefined
  /** Adds prom-client's default metrics of the process: CPU, memory, event loop, garbage collection. @default false */
  readonly process?: boolean | undefined
  /** An MTProto client, whose calls, reconnects, bytes, waits and gaps are measured, too. */
  readonly mtproto?: MtprotoObserved | undefined
  /** Returns the time in milliseconds since 1970. @default Date.now */
  readonly clock?: (() => number) | undefined
}

/**
 * The metrics of a sentinel, with handlers for scraping them.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { sentinel } from 'grammy-sentinel'
 * import { type Metrics, metrics } from 'grammy-sentinel/metrics'
 *
 * const seen: Metrics = metrics(sentinel())
 * createServer(seen.handler).listen(9464, '127.0.0.1')
 * ```
 */
export interface Metrics {
  readonly registry: Registry
  /**
   * Handler for `node:http`: answers every GET with all metrics of the registry. It checks no access, so protect the route
   * yourself.
   */
  readonly handler: (request: NodeRequest, response: NodeResponse) => Promise<void>
  /** The same for the fetch API. */
  readonly fetch: (request: Request) => Promise<Response>
  /** Stops measuring and removes the series of this sentinel. */
  close(): void
}

/**
 * Measures a sentinel for Prometheus: verdicts by guard, reason and kind of update; durations of guards, storage calls and hooks,
 * in buckets from one microsecond; storage calls and batches, the circuit breaker, tracked keys and evictions, membership
 * changes, queues and failures. Needs `prom-client` 15 or newer.
 *
 * No label contains an id or a text of a user. Each metric of a sentinel has at most 500 series (not counting kinds of update);
 * any further label values are counted as `other`.
 *
 * @param guard A sentinel.
 * @param options See {@link MetricsOptions}.
 * @throws SentinelError `option.invalid` if the name is taken on the registry, or if the registry has other metrics of the same
 * names; `option.unknown`.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { sentinel } from 'grammy-sentinel'
 * import { metrics } from 'grammy-sentinel/metrics'
 *
 * const guard = sentinel()
 * createServer(metrics(guard, { process: true }).handler).listen(9464, '127.0.0.1')
 * ```
 */
export function metrics(guard: Observed, options: MetricsOptions = {}): Metrics {
  const settings = parseOptions('metrics', metricsOptions, options)
  const { registry = new Registry(), clock = systemClock } = settings
  const exposition = Exposition.of(registry)
  const metering = new Metering(nameOf(exposition, settings.name, insights.get(guard)?.name), guard, clock)
  const client = settings.mtproto === undefined ? undefined : new MtprotoMetering(settings.mtproto)
  if (client !== undefined) exposition.tellMtproto()
  const remove = exposition.add({
    name: metering.name,
    samples: (metric) => metering.samples(metric),
    ...(client !== undefined && { mtproto: (metric) => client.samples(metric) }),
  })
  // If one of the default metrics is registered, all of them are.
  if (settings.process && registry.getSingleMetric('process_cpu_seconds_total') === undefined) {
    collectDefaultMetrics({ register: registry })
  }
  const scrape = async (): Promise<Answer> => {
    try {
      return { status: 200, type: registry.contentType, body: await registry.metrics() }
    } catch (error) {
      // Another collector on the same registry failed.
      return failure(error)
    }
  }
  return {
    registry,
    handler: (request, response) => answerNode(request, response, scrape),
    fetch: (request) => answerFetch(request, scrape),
    close() {
      remove()
      metering.close()
      client?.close()
    },
  }
}

function nameOf({ sources }: Exposition, name: string | undefined, own: string | undefined): string {
  const taken = new Set([...sources].map((source) => source.name))
  if (name === undefined) {
    // Two sentinels may have the same name if they have different storages.
    if (own !== undefined && !taken.has(own)) return own
    let number = 1
    while (taken.has(String(number))) number++
    return String(number)
  }
  if (!taken.has(name)) return name
  throw new SentinelError(
    'option.invalid',
    `metrics.name: "${name}" is already the name of another sentinel on this registry. Give each its own name, or call close() on the metrics of the other if it is no longer used.`,
  )
}
