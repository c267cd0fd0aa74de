import type { Logger } from 'pino'
import type { Clock, Timers } from '../../core/clock.js'
import type { Facts } from '../../core/facts.js'
import { formatLimit, type Limit } from '../../core/limit.js'
import { keyText } from '../../core/subject.js'
import type { MarkEvent, SentinelEvents } from '../../middleware/events.js'
import type { Observed } from '../observed.js'
import { type Kind, Sampling } from './sampling.js'

interface JournalOptions {
  readonly allowed: boolean
  readonly sample: false | Limit
  readonly clock: Clock
  readonly timers: Timers
}

/** Most guards with a cached logger. Names of guards come from code, but the cache must be bounded. */
const MOST_GUARDS = 100

/** Writes events to the log. */
export class Journal {
  private readonly guards = new Map<string, Logger>()
  private readonly sampling: Sampling | undefined

  constructor(
    private readonly logger: Logger,
    private readonly options: JournalOptions,
  ) {
    const { sample, clock, timers } = options
    if (sample === false) return
    const within = `${sample.per} ms`
    // Logged at the level of the entries it counts, so that it is not filtered out while they are logged.
    this.sampling = new Sampling(sample, clock, timers, ({ level, what, guard, detail }, leftOut) => {
      const from = guard === undefined ? this.logger : this.of(guard)
      const told = { leftOut, within, what, ...(detail !== undefined && { detail }) }
      from[level](told, `${leftOut} more not logged`)
    })
  }

  of(guard: string): Logger {
    let logger = this.guards.get(guard)
    if (logger === undefined) {
      if (this.guards.size >= MOST_GUARDS) return this.logger.child({ guard })
      logger = this.logger.child({ guard })
      this.guards.set(guard, logger)
    }
    return logger
  }

  close(): void {
    this.sampling?.flush()
  }

  listen(guard: Observed): () => void {
    // Active listeners where otherwise the console would report the event, or notes would not be determined; passive ones for the rest.
    const stops = [
      guard.on('denied', (told) => this.denied(told)),
      guard.on('error', ({ error, during }) => {
        if (this.takes({ level: 'error', what: 'error', detail: during }))
          this.logger.error({ err: error, during }, `${during} failed`)
      }),
      guard.on('warning', ({ code, message }) => this.logger.warn({ code }, message)),
      guard.on('storage.down', ({ kind, reason }) =>
        this.logger.error({ storage: kind, reason }, 'the storage is down'),
      ),
      guard.on('storage.up', ({ kind, afterMs }) =>
        this.logger.info({ storage: kind, afterMs }, 'the storage is back'),
      ),
      guard.probe({ events: this.events() }),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  private events(): { [E in keyof SentinelEvents]?: (told: SentinelEvents[E]) => void } {
    const { logger } = this
    return {
      ...(this.options.allowed && {
        allowed: ({ facts }: SentinelEvents['allowed']) => logger.debug(factsOf(facts), 'allowed'),
      }),
      unknown: ({ facts }) => logger.warn({ update: facts.updateId }, 'an update of an unknown kind passed'),
      shadow: ({ facts, verdict: { guard, limit, reason } }) => {
        if (!this.takes({ level: 'info', what: 'shadow', guard, detail: reason })) return
        this.of(guard).info({ limit, reason, shadow: true, ...factsOf(facts) }, 'would be denied')
      },
      membership: ({ event, member, actor, chat }) =>
        logger.info({ event, member: member.id, actor: actor.id, chat: chat.id }, `membership: ${event}`),
      blocked: (told) => this.marked('blocked', told),
      unblocked: (told) => this.marked('unblocked', told),
      suspected: (told) => this.marked('suspected', told),
      registered: (told) => this.marked('registered', told),
      unregistered: (told) => this.marked('unregistered', told),
      'limit.changed': ({ key, role, limit, before, after, by }) =>
        logger.info(
          {
            limit,
            ...(key !== undefined && { subject: keyText(key) }),
            ...(role !== undefined && { role }),
            ...(before !== undefined && { before: formatLimit(before) }),
            ...(after !== undefined && { after: formatLimit(after) }),
            ...(by !== undefined && { by }),
          },
          'a limit changed',
        ),
      // Changed limits are logged by `limit.changed` above.
      'settings.changed': ({ setting, ...told }) => {
        if (setting === 'notices') logger.info({ setting, ...told }, 'a setting changed')
      },
      overdue: ({ facts, guard, limit, ms }) =>
        this.of(guard).warn({ limit, ms, ...factsOf(facts) }, 'handlers take too long'),
      'outgoing.limited': ({ method, retryAfterMs, retried }) => {
        if (this.takes({ level: 'warn', what: 'outgoing', detail: '429' }))
          logger.warn({ method, retryAfterMs, retried }, 'Telegram answered 429')
      },
      'chat.migrated': ({ from, to }) => logger.info({ from, to }, 'a group became a supergroup'),
    }
  }

  private denied({ facts, verdict }: SentinelEvents['denied']): void {
    const { guard, limit, reason, cause, retryAfterMs, note } = verdict
    if (!this.takes({ level: 'info', what: 'denied', guard, detail: reason })) return
    this.of(guard).info(
      {
        limit,
        reason,
        ...(cause !== 'check' && { cause }),
        // JSON cannot express infinity, so the field is left out.
        ...(Number.isFinite(retryAfterMs) && { retryAfterMs }),
        ...(note !== undefined && { note }),
        ...factsOf(facts),
      },
      'denied',
    )
  }

  private marked(event: string, { bot, key, reason }: MarkEvent): void {
    this.logger.info({ bot, subject: keyText(key), ...(reason !== undefined && { reason }) }, event)
  }

  private takes(kind: Kind): boolean {
    return this.sampling === undefined || this.sampling.takes(kind)
  }
}

/** Returns ids and the kind of update, but no content. */
function factsOf(facts: Facts): Record<string, string | number> {
  return {
    update: facts.updateId,
    activity: facts.activity,
    ...(facts.kind !== undefined && { kind: facts.kind }),
    ...(facts.actorId !== undefined && { actor: facts.actorId }),
    ...(facts.chatId !== undefined && { chat: facts.chatId }),
  }
}
