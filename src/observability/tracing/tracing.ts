import { type ProxyTracerProvider, type Tracer, type TracerProvider, trace } from '@opentelemetry/api'
import { z } from 'zod'
import { given, option, parseOptions } from '../../middleware/options/schema.js'
import type { MtprotoObserved } from '../mtproto.js'
import type { Observed } from '../observed.js'
import { mtprotoSpans } from './mtproto-spans.js'
import { Tracing } from './spans.js'

const tracingOptions = z.strictObject({
  provider: option(
    given<TracerProvider>(
      'a TracerProvider of OpenTelemetry',
      (value) => typeof value === 'object' && value !== null && 'getTracer' in value,
    ),
    'Makes the spans. Default: the global one.',
  ),
  ids: option(z.boolean(), 'Tells who acted, and where.', false),
  mtproto: option(
    given<MtprotoObserved>(
      'a client of MTProto, such as mtproto({ … })',
      (value) => typeof value === 'object' && value !== null && 'watch' in value,
    ),
    'A client of MTProto, whose calls are spans.',
  ),
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
  /** Makes the spans. @default the one registered with `@opentelemetry/api`, now or later */
  readonly provider?: TracerProvider | undefined
  /** Tells in attributes who acted and where (`telegram.actor`, `telegram.chat`). @default false: traces hold no ids of people */
  readonly ids?: boolean | undefined
  /** A client of MTProto: a span for each of its calls and waits, and for gaps in updates that were mended. */
  readonly mtproto?: MtprotoObserved | undefined
}

const NAME = 'grammy-sentinel'

/**
 * Traces a sentinel with OpenTelemetry: a span an update, and under it one for each guard that was asked, each call to the storage,
 * each hook and each piece of work in the background; spans that your handlers make are nested under `sentinel.handlers`. What is done
 * later (a trailing debounce, a notice) belongs to the trace of its update, whichever timer runs it.
 *
 * Only `@opentelemetry/api` (1.9 or newer) is needed. Nesting needs a context manager, which every SDK for Node registers. While no SDK
 * is registered, an update pays for a look at that, and nothing is allocated.
 *
 * @param guard What `sentinel()` gave.
 * @param options See {@link TracingOptions}.
 * @returns What stops it.
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
  const { provider, ids = false, mtproto } = parseOptions('tracing', tracingOptions, options)
  const own = provider?.getTracer(NAME)
  const find = own === undefined ? registered : () => own
  const stop = guard.probe(new Tracing(find, ids))
  const unwatch = mtproto?.watch(mtprotoSpans(find))
  return () => {
    stop()
    unwatch?.()
  }
}

/** The global tracer; undefined while no SDK is registered, when spans would be made for nobody. */
function registered(): Tracer | undefined {
  const provider: TracerProvider & Partial<ProxyTracerProvider> = trace.getTracerProvider()
  // By what it can, not by its class: there may be several copies of the package.
  return provider.getDelegateTracer === undefined
    ? provider.getTracer(NAME)
    : provider.getDelegateTracer(NAME)
}
