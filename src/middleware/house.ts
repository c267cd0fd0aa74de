import type { Context } from 'grammy'
import type { MaybePromise } from '../core/check.js'
import { type Clock, ofAnyLength, systemClock, systemTimers, type Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { Facts } from '../core/facts.js'
import { errorText } from '../core/redact.js'
import { type RoleOptions, Roles } from '../core/roles.js'
import type { Key } from '../core/subject.js'
import type { DenialReason, Denied } from '../core/verdict.js'
import { Events } from '../hooks/events.js'
import type { HookRegistry } from '../hooks/registry.js'
import { isObservable, type StorageCondition } from '../storage/condition.js'
import { memory } from '../storage/memory/memory.js'
import { protect } from '../storage/protect.js'
import type { Storage } from '../storage/storage.js'
import { Background, type WaitUntil } from './chain/background.js'
import { Bots, type KnownBot } from './chain/bots.js'
import type {
  ChatMigratedEvent,
  HookRanEvent,
  LimitChangedEvent,
  OutgoingLimitedEvent,
  OverdueEvent,
  SettingsChangedEvent,
} from './chain/told.js'
import { UnderWay } from './chain/under-way.js'
import { ChatAdministrators } from './exempt/chat-administrators.js'
import type { ExemptOptions } from './exempt/exemptions.js'
import { hooksOf } from './hooking/hooking.js'
import type { Transition, TransitionEvent } from './membership/transitions.js'
import { type NoticeOptions, Notices } from './refusing/notices.js'
import type { PolicyNames, RuntimeLimits } from './throttle/runtime-limits.js'

/**
 * An update that passed.
 *
 * @example
 * ```ts
 * import { type AllowedEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ facts }: AllowedEvent): void => console.log(facts.activity, facts.actorId)
 * sentinel().on('allowed', told)
 * ```
 */
export interface AllowedEvent<C extends Context = Context> {
  readonly facts: Facts
  readonly ctx: C
}

/**
 * An update that was stopped.
 *
 * @example
 * ```ts
 * import { type DeniedEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ facts, verdict }: DeniedEvent): void => console.log(facts.actorId, verdict.reason)
 * sentinel().on('denied', told)
 * ```
 */
export interface DeniedEvent<C extends Context = Context> extends AllowedEvent<C> {
  readonly verdict: Denied
  /** Whether the sentinel had let it in, and told so: then a guard in front of its handler has stopped it, or the handler. */
  readonly wasAllowed: boolean
  /** False where this update was denied before: a handler goes on until it returns, and may run into others. It counts once. */
  readonly isFirst: boolean
}

/**
 * A limit in shadow that would have stopped an update.
 *
 * @example
 * ```ts
 * import { type DeniedEvent, type ShadowEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ guard, limit, facts }: ShadowEvent): void => console.log(`${guard}.${limit}`, facts.actorId)
 * sentinel({ throttle: { limit: '20/1m', shadow: true } }).on('shadow', told)
 *
 * // For both: who was stopped, and who would have been.
 * const line = ({ facts, verdict }: DeniedEvent | ShadowEvent): void => console.log(facts.actorId, verdict.reason)
 * sentinel().on('shadow', line)
 * sentinel().on('denied', line)
 * ```
 */
export interface ShadowEvent<C extends Context = Context> extends AllowedEvent<C> {
  /** Of the denial there would have been, where a {@link DeniedEvent} has it. */
  readonly verdict: Pick<Denied, 'guard' | 'limit' | 'reason'>
  /** As in `verdict`; so are `limit` and `reason`. */
  readonly guard: string
  readonly limit: string
  /** What the denial would have been. */
  readonly reason: DenialReason
}

/**
 * Something of ours failed. The update was decided all the same.
 *
 * @example
 * ```ts
 * import { type FailureEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ during, error }: FailureEvent): void => console.error(during, error)
 * sentinel().on('error', told)
 * ```
 */
export interface FailureEvent {
  readonly error: unknown
  /** What was being done, such as `notice` or `throttle.cost`. */
  readonly during: string
}

/**
 * Something a developer should know and mend; told once.
 *
 * @example
 * ```ts
 * import { sentinel, type WarningEvent } from 'grammy-sentinel'
 *
 * const told = ({ code, message }: WarningEvent): void => console.warn(code, message)
 * sentinel().on('warning', told)
 * ```
 */
export interface WarningEvent {
  /** Stable, such as `membership.undelivered`. */
  readonly code: string
  readonly message: string
}

/**
 * A mark was put on somebody, or taken away, by this process. What others on the same storage change is told by its `watch()`.
 *
 * @example
 * ```ts
 * import { keyText, type MarkEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ bot, key, reason }: MarkEvent): void => console.log(bot, keyText(key), reason)
 * sentinel().on('blocked', told)
 * ```
 */
export interface MarkEvent {
  readonly bot: number
  readonly key: Key
  readonly reason?: string | undefined
}

/**
 * The storage stopped answering. Guards go by their `onFailure` until it is back.
 *
 * @example
 * ```ts
 * import { type StorageDownEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ kind, reason }: StorageDownEvent): void => console.error(`${kind} is down: ${reason}`)
 * sentinel().on('storage.down', told)
 * ```
 */
export interface StorageDownEvent {
  /** Which storage, such as `redis`; `unknown` if it was never reached. */
  readonly kind: string
  /** A code such as `ECONNREFUSED`, `TIMEOUT` or `OOM`. */
  readonly reason: string
  /** The same for people, as the storage says it, without passwords; absent where it says no more than the code. */
  readonly message?: string
}

/**
 * The storage answers again.
 *
 * @example
 * ```ts
 * import { type StorageUpEvent, sentinel } from 'grammy-sentinel'
 *
 * const told = ({ kind, afterMs }: StorageUpEvent): void => console.log(`${kind} is back after ${afterMs} ms`)
 * sentinel().on('storage.up', told)
 * ```
 */
export interface StorageUpEvent {
  readonly kind: string
  /** For how long it was down. */
  readonly afterMs: Ms
}

/**
 * What can be listened to with `guard.on(…)`.
 *
 * @example
 * ```ts
 * import { sentinel, type SentinelEvents } from 'grammy-sentinel'
 *
 * const guard = sentinel()
 * const told: (event: SentinelEvents['denied']) => void = ({ verdict }) => console.log(verdict.guard)
 * guard.on('denied', told)
 * ```
 */
export interface SentinelEvents<C extends Context = Context> {
  allowed: AllowedEvent<C>
  denied: DeniedEvent<C>
  shadow: ShadowEvent<C>
  /** An update of a kind that this version does not know; it passed. */
  unknown: AllowedEvent<C>
  membership: Transition<TransitionEvent, C>
  blocked: MarkEvent
  unblocked: MarkEvent
  registered: MarkEvent
  unregistered: MarkEvent
  /** What Telegram tells of an account speaks against it, by the option `dossier` of `auth`. */
  suspected: MarkEvent
  'storage.down': StorageDownEvent
  'storage.up': StorageUpEvent
  'limit.changed': LimitChangedEvent
  'hook.ran': HookRanEvent
  overdue: OverdueEvent<C>
  'outgoing.limited': OutgoingLimitedEvent
  'chat.migrated': ChatMigratedEvent
  'settings.changed': SettingsChangedEvent
  error: FailureEvent
  warning: WarningEvent
}

/** What the guards of one chain share. */
export interface House {
  readonly storage: Storage
  readonly clock: Clock
  /** When an update is judged: by the clock that options gave. Undefined leaves it to the storage's own. */
  readonly at: () => Ms | undefined
  readonly timers: Timers
  readonly bots: Bots
  readonly events: Events<SentinelEvents>
  readonly background: Background
  /** Functions that stand at points on the way of an update. */
  readonly hooks: HookRegistry
  /** Hooks that nobody waits for. */
  readonly hooksAside: Background
  /** All is judged and told, and nothing refused. */
  readonly shadow: boolean
  readonly notices: Notices
  readonly underWay: UnderWay
  /** Marks of whoever is let off everything but `block` and `once`. */
  readonly exemptMarks: readonly string[]
  readonly administrators: ChatAdministrators | undefined
  /** What roles there are, and who counts as whom. */
  readonly roles: Roles
  /** The roles that Telegram gives. */
  readonly chatRoles: ChatAdministrators
  /** Whom options have put on the block list. */
  readonly listed: Set<Key>
  /** Limits that are changed while the bot runs; undefined where none are. */
  readonly runtime?: RuntimeLimits | undefined
  /** Policies by name; undefined where no sentinel names any. */
  readonly policies?: PolicyNames | undefined
  /** Does it for the bots that are known; if there is none yet, for each as it comes. */
  forEachBot(what: string, operation: (bot: KnownBot) => MaybePromise<unknown>): Promise<void>
  /** Does it, aside, for the bots that are known and for each that comes. */
  forEveryBot(what: string, operation: (bot: KnownBot) => MaybePromise<unknown>): void
  /** Tells a warning, once per code and message. */
  warn(code: string, message: string): void
  /** Lets go of what it has put around the storage. Idempotent; does not reject. */
  letGo(): Promise<void>
}

/** What a house is made of. All optional. */
export interface HouseOptions {
  readonly storage?: Storage | undefined
  readonly clock?: Clock | undefined
  readonly timers?: Timers | undefined
  readonly exempt?: ExemptOptions | undefined
  readonly roles?: Readonly<Record<string, RoleOptions>> | undefined
  readonly notices?: NoticeOptions | undefined
  readonly shadow?: boolean | undefined
  /** Told of work that is not waited for, where a platform would else end it. */
  readonly waitUntil?: WaitUntil | undefined
}

/** The console, for failures and warnings that nobody listens to: each kind of failure once in ten seconds. */
class LastResort {
  private readonly saidAt = new Map<string, number>()

  constructor(private readonly clock: Clock) {}

  tell(event: keyof SentinelEvents, told: unknown): void {
    if (event === 'warning') console.warn(`grammy-sentinel: ${(told as WarningEvent).message}`)
    if (event === 'storage.down') {
      const { kind, reason, message } = told as StorageDownEvent
      const said = message === undefined ? '' : ` ${message.replace(/[.]?$/, '.')}`
      console.warn(`grammy-sentinel: the storage (${kind}) is down: ${reason}.${said} See guard.health().`)
    }
    if (event === 'storage.up') {
      const { kind, afterMs } = told as StorageUpEvent
      console.warn(`grammy-sentinel: the storage (${kind}) is back after ${afterMs} ms.`)
    }
    if (event === 'overdue') {
      const { guard, limit, ms } = told as OverdueEvent
      this.once(`${guard}.${limit}`, () =>
        console.warn(
          `grammy-sentinel: a handler kept others waiting at ${guard}.${limit} for ${ms} ms; the next was let in beside it.`,
        ),
      )
    }
    if (event !== 'error') return
    const { error, during } = told as FailureEvent
    this.once(during, () =>
      console.error(
        `grammy-sentinel: ${during} failed; the update was decided all the same. ${errorText(error)}`,
      ),
    )
  }

  /** Says one thing once in ten seconds. */
  private once(what: string, say: () => void): void {
    const now = this.clock()
    if (now - (this.saidAt.get(what) ?? Number.NEGATIVE_INFINITY) < 10_000) return
    if (this.saidAt.size >= 100) this.saidAt.clear()
    this.saidAt.set(what, now)
    say()
  }
}

/** Workers that share a storage agree on its clock better than on their own. */
const storageTime = (): undefined => undefined

/** Warnings remembered as told. */
const MOST_WARNINGS = 1000

/** Furnishes what the guards of one chain share. */
export function furnish(options: HouseOptions): House {
  const { clock = systemClock } = options
  const timers = options.timers === undefined ? systemTimers : ofAnyLength(options.timers)
  const lastResort = new LastResort(clock)
  const events = new Events<SentinelEvents>(
    (error, event, told) => {
      const failure = { error, during: `listener for ${event}` }
      // If a listener for errors throws, telling the listeners for errors would call it again. The same goes for listeners to hooks for
      // errors.
      if (event === 'error' || (event === 'hook.ran' && (told as HookRanEvent).point === 'error'))
        lastResort.tell('error', failure)
      else events.tell('error', failure)
    },
    (event, told) => lastResort.tell(event, told),
  )
  const failed = (error: unknown, during: string): void => events.tell('error', { error, during })
  const background = new Background(failed, undefined, options.waitUntil)
  const hooksAside = new Background(failed, undefined, options.waitUntil)
  const bots = new Bots()
  const warned = new Set<string>()
  const { storage, release } = protect(options.storage ?? memory({ clock }), options)
  const unobserve = isObservable(storage) ? storage.observe((told) => conditionTold(told, events)) : undefined
  return {
    storage,
    clock,
    at: options.clock ?? storageTime,
    timers,
    bots,
    events,
    background,
    hooks: hooksOf(events, hooksAside, timers),
    hooksAside,
    shadow: options.shadow ?? false,
    notices: new Notices(options.notices ?? {}, clock, timers, background, failed),
    underWay: new UnderWay(),
    listed: new Set(),
    ...rolesOf(
      options,
      new ChatAdministrators(clock, timers, (error) => failed(error, 'getChatAdministrators')),
    ),
    async forEachBot(what, operation) {
      const known = bots.all()
      if (known.length > 0) await Promise.all(known.map(operation))
      else this.forEveryBot(what, operation)
    },
    forEveryBot(what, operation) {
      const aside = (bot: KnownBot): void => {
        if (!background.run(what, async () => operation(bot))) failed(new Error('too much under way'), what)
      }
      for (const bot of bots.all()) aside(bot)
      if (bots.stage(aside)) return
      throw new SentinelError(
        'bot.unknown',
        'This sentinel has not met its bot yet, and too much waits for it. Call await guard.install(bot) first.',
      )
    },
    warn(code, message) {
      const told = `${code} ${message}`
      if (warned.has(told) || warned.size >= MOST_WARNINGS) return
      warned.add(told)
      events.tell('warning', { code, message })
    },
    async letGo() {
      try {
        await release()
      } catch (error) {
        failed(error, 'close')
      }
      unobserve?.()
    },
  }
}

function conditionTold(told: StorageCondition, events: Events<SentinelEvents>): void {
  if (told.is === 'down') {
    const { is, ...down } = told
    events.tell('storage.down', down)
  } else if (told.is === 'up') events.tell('storage.up', { kind: told.kind, afterMs: told.after })
  else events.tell('error', { error: told.error, during: told.during })
}

/** The same house with other exemptions and notices. */
export function refurnish(house: House, options: HouseOptions): House {
  const { clock, timers, background, events } = house
  const notices = new Notices(options.notices ?? {}, clock, timers, background, (error, during) =>
    events.tell('error', { error, during }),
  )
  notices.follow(house.notices)
  return {
    ...house,
    shadow: options.shadow ?? false,
    notices,
    ...rolesOf(options, house.chatRoles),
  }
}

function rolesOf(
  { exempt: { roles: exempted = [], chatAdmins = false } = {}, roles: named }: HouseOptions,
  chatRoles: ChatAdministrators,
): Pick<House, 'exemptMarks' | 'administrators' | 'roles' | 'chatRoles'> {
  const roles = new Roles(named)
  return {
    exemptMarks: [...new Set(exempted.flatMap((role) => roles.marksOf(role)))],
    administrators: chatAdmins ? chatRoles : undefined,
    roles,
    chatRoles,
  }
}

const chains = new WeakMap<Storage, number>()

/**
 * A name for the next chain on a storage: by order of making, so that it is the same in every worker that runs the
 * same code.
 */
export function chainName(storage: Storage): string {
  const number = (chains.get(storage) ?? 0) + 1
  chains.set(storage, number)
  return String(number)
}
