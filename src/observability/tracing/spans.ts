import {
  type Attributes,
  context,
  type Link,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Context as TraceContext,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { Context, NextFunction } from 'grammy'
import type { Ask, Check, Decision, MaybePromise, Plan } from '../../core/check.js'
import { isPromise } from '../../core/check.js'
import { steadyClock } from '../../core/clock.js'
import type { Facts } from '../../core/facts.js'
import { errorText, redacted } from '../../core/redact.js'
import type { SentinelFlavor } from '../../middleware/chain/control.js'
import type { Probe, Step } from '../../middleware/chain/probe.js'

/** The trace of an update, stored on its context. */
interface Traced {
  readonly span: Span
  /** The trace context that contains the span. */
  readonly at: TraceContext
  readonly tracer: Tracer
  /**
   * If false, no child spans are made, but the trace context is still passed on to handlers, so that their spans are not recorded
   * either.
   */
  readonly isRecorded: boolean
  /** The latest child span, which may still be open after the update's own span has ended. */
  latest?: Span
}

type Carrier = Context & { [key: symbol]: Traced | undefined }

/** Makes the spans. */
export class Tracing implements Probe {
  /** Whether no tracer is registered; checked with every update. */
  idle = true
  readonly events: NonNullable<Probe['events']>
  private readonly key = Symbol('trace')
  private tracer: Tracer | undefined

  constructor(
    private readonly find: () => Tracer | undefined,
    private readonly ids: boolean,
  ) {
    this.events = {
      allowed: ({ facts, ctx }) => this.decided(ctx, facts, { 'sentinel.verdict': 'allowed' }),
      denied: ({ facts, ctx, verdict: { guard, limit, reason } }) =>
        this.decided(ctx, facts, {
          'sentinel.verdict': 'denied',
          'sentinel.guard': guard,
          'sentinel.limit': limit,
          'sentinel.reason': reason,
        }),
      unknown: ({ facts, ctx }) => this.decided(ctx, facts, { 'sentinel.verdict': 'unknown' }),
      shadow: ({ ctx, verdict: { guard, limit, reason } }) => {
        this.openOf(ctx)[0]?.addEvent('sentinel.shadow', {
          'sentinel.guard': guard,
          'sentinel.limit': limit,
          'sentinel.reason': reason,
        })
      },
    }
  }

  update(
    ctx: Context,
    next: NextFunction,
    go: (ctx: Context, next: NextFunction) => MaybePromise<void>,
  ): MaybePromise<void> {
    const tracer = this.find()
    this.tracer = tracer
    this.idle = tracer === undefined
    return tracer === undefined ? go(ctx, next) : this.trace(tracer, ctx, next, go)
  }

  branch(ctx: Context, next: NextFunction): NextFunction {
    const traced = this.tracedOf(ctx)
    if (traced === undefined) return next
    return () => (traced.isRecorded ? this.handlers(ctx, traced, next) : context.with(traced.at, next))
  }

  private trace(
    tracer: Tracer,
    ctx: Context,
    next: NextFunction,
    go: (ctx: Context, next: NextFunction) => MaybePromise<void>,
  ): MaybePromise<void> {
    const around = context.active()
    const span = tracer.startSpan(
      'sentinel.update',
      {
        kind: SpanKind.CONSUMER,
        attributes: { 'telegram.update_id': ctx.update.update_id, 'telegram.bot': ctx.me.id },
      },
      around,
    )
    const isRecorded = span.isRecording()
    const traced: Traced = { span, at: trace.setSpan(around, span), tracer, isRecorded }
    ;(ctx as Carrier)[this.key] = traced
    const handlers = isRecorded ? () => this.handlers(ctx, traced, next) : next
    return during(span, traced.at, () => go(ctx, handlers))
  }

  /** Runs the handlers within the update's trace, directly or later, when a burst is handled after the update's own span has ended. */
  private handlers(ctx: Context, traced: Traced, next: NextFunction): Promise<void> {
    // grammY's `next` always returns a promise.
    return this.part('sentinel.handlers', {}, ctx, traced, next) as Promise<void>
  }

  /** Runs something as a child span of an update, even if it runs later from a timer. */
  private part<T>(
    name: string,
    attributes: Attributes,
    ctx: Context,
    traced: Traced,
    run: () => MaybePromise<T>,
  ): MaybePromise<T> {
    const links = this.linksOf(ctx)
    const span = traced.tracer.startSpan(name, { attributes, links }, traced.at)
    traced.latest = span
    return during(span, trace.setSpan(traced.at, span), run)
  }

  /** Links to the other updates of a burst that are handled in one call. */
  private linksOf(ctx: Context & Partial<SentinelFlavor>): Link[] {
    return (ctx.sentinel?.burst ?? []).flatMap((part) => {
      const traced = part === ctx ? undefined : this.tracedOf(part)
      return traced === undefined ? [] : [{ context: traced.span.spanContext() }]
    })
  }

  step<T>({ kind, name, part, ctx }: Step, run: () => MaybePromise<T>): MaybePromise<T> {
    const attributes: Attributes = part === undefined ? {} : { 'sentinel.step': part }
    const title = `sentinel.${kind} ${name}`
    const traced = ctx && this.tracedOf(ctx)
    if (ctx !== undefined && traced?.isRecorded) return this.part(title, attributes, ctx, traced, run)
    const around = context.active()
    if (this.tracer === undefined || trace.getSpan(around)?.isRecording() !== true) return run()
    const span = this.tracer.startSpan(title, { attributes }, around)
    return during(span, trace.setSpan(around, span), run)
  }

  asked({ checks }: Plan, { costs }: Ask, { refusedBy, shadowRefusals }: Decision, ms: number): void {
    const started = steadyClock() - ms
    const last = refusedBy < 0 ? checks.length - 1 : refusedBy
    let told = ''
    for (let i = 0; i <= last; i++) {
      const { guard } = checks[i] as Plan['checks'][number]
      // The checks of one guard are adjacent and get one span.
      if (costs[i] === 0 || guard === told) continue
      told = guard
      const shadow = shadowRefusals.some((index) => {
        const check = checks[index] as Check
        return check.guard === guard && !isProbe(check)
      })
      const outcome = checks[refusedBy]?.guard === guard ? 'refused' : shadow ? 'shadow' : 'passed'
      this.past(`sentinel.guard ${guard}`, started, { 'sentinel.outcome': outcome, 'sentinel.step': 'check' })
    }
  }

  /** Makes a span for something that has already ended. */
  private past(name: string, started: number, attributes: Attributes): void {
    const around = context.active()
    if (this.tracer === undefined || trace.getSpan(around)?.isRecording() !== true) return
    this.tracer.startSpan(name, { startTime: started, attributes }, around).end(steadyClock())
  }

  private decided(ctx: Context, facts: Facts, attributes: Attributes): void {
    for (const span of this.openOf(ctx)) {
      span.setAttributes({
        ...attributes,
        'telegram.update_kind': facts.kind ?? 'unknown',
        'telegram.activity': facts.activity,
        ...(facts.chatType !== undefined && { 'telegram.chat_type': facts.chatType }),
        ...(this.ids && facts.actorId !== undefined && { 'telegram.actor': facts.actorId }),
        ...(this.ids && facts.chatId !== undefined && { 'telegram.chat': facts.chatId }),
      })
    }
  }

  /** Returns the spans of an update that can still get attributes. */
  private openOf(ctx: Context): Span[] {
    const { span, latest } = this.tracedOf(ctx) ?? {}
    return [span, latest].filter((one): one is Span => one?.isRecording() === true)
  }

  private tracedOf(ctx: Context): Traced | undefined {
    return (ctx as Carrier)[this.key]
  }
}

/** Whether a guard asks a check only for its own use, so that its answer is no refusal. */
function isProbe({ slot }: Check): boolean {
  return slot.endsWith('?')
}

/** Runs something within a span and ends the span afterwards. */
function during<T>(span: Span, at: TraceContext, run: () => MaybePromise<T>): MaybePromise<T> {
  let result: MaybePromise<T>
  try {
    result = context.with(at, run)
  } catch (error) {
    failed(span, error)
    throw error
  }
  if (!isPromise(result)) {
    span.end()
    return result
  }
  return result.then(
    (value) => {
      span.end()
      return value
    },
    (error) => {
      failed(span, error)
      throw error
    },
  )
}

/** Records an error, and ends the span. */
function failed(span: Span, error: unknown): void {
  const { name, message } = partsOf(error)
  span.recordException({ name, message })
  span.setStatus({ code: SpanStatusCode.ERROR, message: name })
  span.end()
}

/** Errors of the Bot API contain the payload, so only name and message are recorded, without tokens. Never throws. */
function partsOf(error: unknown): { readonly name: string; readonly message: string } {
  try {
    if (error instanceof Error) return { name: String(error.name), message: redacted(String(error.message)) }
  } catch {
    // A value that cannot be read has a text all the same.
  }
  return { name: 'Error', message: errorText(error) }
}
