import { context, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import { systemClock } from '../../core/clock.js'
import type { MtprotoWatch } from '../mtproto.js'

/**
 * Makes a span for each MTProto call, within the active span, and one for each wait and each gap that was closed. Attributes
 * contain names of methods and errors, never ids or texts.
 */
export function mtprotoSpans(find: () => Tracer | undefined): MtprotoWatch {
  const past = (name: string, ms: number, attributes: Record<string, string>): void => {
    const now = systemClock()
    find()
      ?.startSpan(name, { kind: SpanKind.INTERNAL, startTime: now - ms, attributes }, context.active())
      .end(now)
  }
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
      find()
        ?.startSpan(
          'mtproto.wait',
          { startTime: now, attributes: { 'rpc.method': method } },
          context.active(),
        )
        .end(now + waitMs)
    },
    recovered({ of, ms }) {
      past('mtproto.gap', ms, { 'mtproto.of': of })
    },
  }
}
