import { type ProxyTracerProvider, type Tracer, type TracerProvider, trace } from '@opentelemetry/api'
import { z } from 'zod'
import { given, option, parseOptions } from '../../middleware/options/schema.js'
import type { MtprotoObserved } from '../mtproto.js'
import type { Observed } from '../observed.js'
import { has, mtprotoOption } from '../options.js'
import { mtprotoSpans } from './mtproto-spans.js'
import { Tracing } from './spans.js'

export const tracingOptions = z.strictObject({
  provider: option(
    given<TracerProvider>('a TracerProvider of OpenTelemetry', has('getTracer')),
    'Creates the spans. Default: the global one.',
  ),
  ids: option(z.boolean(), 'Adds who acted, and where.', false),
  mtproto: option(mtprotoOption, 'A client of MTProto, whose calls become spans.'),
})

/**
 * Options of {@link tracing}.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { type TracingOptions, tracing } from 'grammy-sentinel/tracing'
 *
 * const options: TracingOptions = { ids: true }
 * tracing(sentinel(), options)
 * ```
 */
export interface TracingOptions {
  /** Provider of the tracer. @default the one registered with `@opentelemetry/api`, now or later */
  readonly provider?: TracerProvider | undefined
  /** Adds the ids of actor and chat as attributes (`telegram.actor`, `telegram.chat`). @default false: traces hold no ids of people */
  readonly ids?: boolean | undefined
  /** An MTProto client: each of its calls and waits, and each closed gap in updates, gets a span. */
  readonly mtproto?: MtprotoObserved | undefined
}

const NAME = 'grammy-sentinel'

/**
 * Traces a sentinel with OpenTelemetry. Each update gets a span, with child spans for each guard, each storage call, each hook
 * and each background task; spans that your handlers make are nested under `sentinel.handlers`. Later work (a trailing debounce,
 * a notice) belongs to the trace of its update, too, even if a timer runs it.
 *
 * Needs only `@opentelemetry/api` 1.9 or newer. Nesting requires a context manager, which every SDK for Node registers. While no
 * SDK is registered, the cost is one check for each update, without any allocation.
 *
 * @param guard A sentinel.
 * @param options See {@link TracingOptions}.
 * @returns A function that stops tracing.
 * @throws SentinelError `option.invalid`, `option.unknown`.
 *
 * @example
 * ```ts
 * import { sentinel } from 'grammy-sentinel'
 * import { tracing } from 'grammy-sentinel/tracing'
 *
 * const guard = sentinel()
 * const stop = tracing(guard)
 * ```
 */
export function tracing(guard: Observed, options: TracingOptions = {}): () => void {
  const { provider, ids, mtproto } = parseOptions('tracing', tracingOptions, options)
  const own = provider?.getTracer(NAME)
  const find = own === undefined ? registered : () => own
  const stop = guard.probe(new Tracing(find, ids))
  const unwatch = mtproto?.watch(mtprotoSpans(find))
  return () => {
    stop()
    unwatch?.()
  }
}

/** Returns the global tracer; undefined while no SDK is registered, so that no spans are made in vain. */
function registered(): Tracer | undefined {
  const provider: TracerProvider & Partial<ProxyTracerProvider> = trace.getTracerProvider()
  // Tests for the method rather than the class, because several copies of the package may be loaded.
  return provider.getDelegateTracer === undefined
    ? provider.getTracer(NAME)
    : provider.getDelegateTracer(NAME)
}
