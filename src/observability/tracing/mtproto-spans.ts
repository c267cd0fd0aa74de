import { context, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import { systemClock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import type { MtprotoWatch } from '../mtproto.js'

/**
 * Makes a span for each MTProto call, within the active span, and one for each wait and each gap that was closed. Attributes
 * contain names of methods and errors, never ids or texts.
 */
export function mtprotoSpans(find: () => Tracer | undefined): MtprotoWatch {
  const span = (name: string, startTime: Ms, end: Ms, attributes: Record<string, string>): void =>
    find()?.startSpan(name, { startTime, attributes }, context.active()).end(end)
  return {
    call(method) {
      const span = find()?.startSpan(
        `mtproto ${method}`,
        {
          kind: SpanKind.CLIENT,
          attributes: { 'rpc.system': 'mtproto', 'rpc.method': method },
        },
        context.active(),
      )
      if (span === undefined) return undefined
      return (error) => {
        if (error !== undefined) {
          span.setAttribute('error.type', error)
          span.setStatus({ code: SpanStatusCode.ERROR, message: error })
        }
        span.end()
      }
    },
    wait({ method, waitMs }) {
      const now = systemClock()
      span('mtproto.wait', now, now + waitMs, { 'rpc.method': method })
    },
    recovered({ of, ms }) {
      const now = systemClock()
      span('mtproto.gap', now - ms, now, { 'mtproto.of': of })
    },
  }
}
