import type { Update } from 'grammy/types'
import type { MaybePromise } from '../core/check.js'
import { type Clock, localClock, ofAnyLength, systemClock, systemTimers, type Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { type RoleOptions, Roles } from '../core/roles.js'
import type { Key } from '../core/subject.js'
import { Events } from '../hooks/events.js'
import type { HookRegistry } from '../hooks/registry.js'
import { isObservable, type StorageCondition } from '../storage/contract/condition.js'
import type { Storage } from '../storage/contract/storage.js'
import { memory } from '../storage/memory/memory.js'
import { protect } from '../storage/protection/protect.js'
import { FirstUses } from './chain/first-uses.js'
import type { Redeliveries } from './chain/redelivery/redeliveries.js'
import type { EarlierBursts } from './debounce/earlier-bursts.js'
import type { HookRanEvent, SentinelEvents } from './events.js'
import { ChatAdministrators } from './exempt/chat-administrators.js'
import type { ExemptOptions } from './exempt/exemptions.js'
import { hooksOf } from './hooking/hooking.js'
import type { Recent } from './recent.js'
import { type NoticeOptions, Notices } from './refusing/notices.js'
import { Background } from './services/background.js'
import { Bots, type KnownBot } from './services/bots.js'
import { LastResort } from './services/last-resort.js'
import type { Conduct } from './throttle/conduct.js'
import type { RuntimeLimits } from './throttle/runtime-limits.js'

/** The services that the guards of one chain share. */
export interface Services {
  readonly storage: Storage
  readonly clock: Clock
  /** A clock that never goes back, for what only this process remembers: caches, and the spacing of notices. */
  readonly steady: Clock
  /** The time to judge an update at, from the clock in the options; undefined for the storage's own clock. */
  readonly at: () => Ms | undefined
  readonly timers: Timers
  readonly bots: Bots
  readonly events: Events<SentinelEvents>
  /** Reports a failure, as an `error` event. */
  readonly failed: (error: unknown, during: string) => void
  readonly background: Background
  /** Hooks at the points that an update passes. */
  readonly hooks: HookRegistry
  /** Hooks that run in the background. */
  readonly hooksAside: Background
  /** Whether all guards run in shadow mode: they evaluate and report, but refuse nothing. */
  readonly shadow: boolean
  readonly notices: Notices
  readonly firstUses: FirstUses
  /** Marks of the roles that are exempt from everything except `block` and `once`. */
  readonly exemptMarks: readonly string[]
  readonly administrators: ChatAdministrators | undefined
  /** The defined roles and what they inherit. */
  readonly roles: Roles
  /** The roles that Telegram assigns. */
  readonly chatRoles: ChatAdministrators
  /** What all chains of a sentinel share, however often it is reconfigured. */
  readonly shared: Shared
  /** Limits that are changed at run time; undefined without that option. */
  readonly runtime?: RuntimeLimits | undefined
  /** Runs an operation for every known bot; if none is known yet, for each as it is met. */
  forEachBot(what: string, operation: (bot: KnownBot) => MaybePromise<unknown>): Promise<void>
  /** Runs an operation in the background for every known bot and for each that is met later. */
  forEveryBot(what: string, operation: (bot: KnownBot) => MaybePromise<unknown>): void
  /** Raises a warning, once per code and message. */
  warn(code: string, message: string): void
  /** Releases what was put around the storage. Idempotent; never rejects. */
  letGo(): Promise<void>
}

/**
 * What guards remember across `guard.reconfigure()`, which wires them anew. An update is decided by the options in force when it
 * came, so one from before may still reach guards that have been replaced.
 */
interface Shared {
  /** Whether the sentinel is closing: no update waits from then on, whichever options it is decided by. */
  closing: boolean
  /** Subjects that options have put on the block list. */
  readonly listed: Set<Key>
  /** Subjects that were notified recently, by limit. */
  readonly notified: Map<string, Recent<true>>
  /** Updates about which a hook has sent a notice. */
  readonly notifiedByHooks: WeakSet<Update>
  /** Replaced guards of `concurrency` in which updates wait now. They add and remove themselves. */
  readonly stragglers: Set<{ drain(): Promise<void> }>
  /** Each refuses what waits in one guard of `concurrency`. Called when `close()` gives up. */
  readonly refusals: Set<() => void>
  /**
   * Replaced bursts by place (in front of one handler, or of the whole bot), in the order in which they were replaced. Each waits
   * only for those before it, so that none wait for each other. Bursts in front of other handlers are independent.
   */
  readonly earlierBursts: Map<string, Set<EarlierBursts>>
  /** Conduct of actors with limits that adapt, by slot. */
  readonly conduct: Map<string, Conduct>
  /** Updates that may be redelivered, by the name of the chain. */
  readonly redeliveries: Map<string, Redeliveries>
}

function newShared(): Shared {
  return {
    closing: false,
    listed: new Set(),
    notified: new Map(),
    notifiedByHooks: new WeakSet(),
    stragglers: new Set(),
    refusals: new Set(),
    earlierBursts: new Map(),
    conduct: new Map(),
    redeliveries: new Map(),
  }
}

/** Options for services. All are optional. */
export interface ServicesOptions {
  readonly storage?: Storage | undefined
  readonly clock?: Clock | undefined
  readonly timers?: Timers | undefined
  readonly exempt?: ExemptOptions | undefined
  readonly roles?: Readonly<Record<string, RoleOptions>> | undefined
  readonly notices?: NoticeOptions | undefined
  readonly shadow?: boolean | undefined
}

/** Leaves the time to the storage: workers agree on its clock better than on their own. */
const storageTime = (): undefined => undefined

/** Most warnings that are remembered as reported. */
const MOST_WARNINGS = 1000

/** Creates the services that the guards of one chain share. */
export function createServices(options: ServicesOptions): Services {
  const { clock = systemClock } = options
  const timers = options.timers === undefined ? systemTimers : ofAnyLength(options.timers)
  const steady = localClock(options.clock)
  const lastResort = new LastResort(steady)
  const events = new Events<SentinelEvents>(
    (error, event, payload) => {
      const failure = { error, during: `listener for ${event}` }
      // If a listener for errors throws, reporting that as an error event would call it again. The same goes for `hook.ran`
      // listeners during hooks for errors.
      if (event === 'error' || (event === 'hook.ran' && (payload as HookRanEvent).point === 'error'))
        lastResort.tell('error', failure)
      else events.tell('error', failure)
    },
    (event, payload) => lastResort.tell(event, payload),
  )
  const failed = (error: unknown, during: string): void => events.tell('error', { error, during })
  const background = new Background(failed, steady)
  const hooksAside = new Background(failed, steady)
  const bots = new Bots()
  const warned = new Set<string>()
  const { storage, release } = protect(options.storage ?? memory({ clock }), options)
  const askingFailed = (error: unknown): void => failed(error, 'getChatAdministrators')
  const chatRoles = new ChatAdministrators(steady, timers, askingFailed, storage)
  const unobserve = isObservable(storage)
    ? storage.observe((condition) => tellCondition(condition, events))
    : undefined
  return {
    storage,
    clock,
    steady,
    at: options.clock ?? storageTime,
    timers,
    bots,
    events,
    failed,
    background,
    hooks: hooksOf(events, hooksAside, timers),
    hooksAside,
    shadow: options.shadow ?? false,
    notices: new Notices(options.notices ?? {}, steady, timers, background, failed),
    firstUses: new FirstUses(),
    shared: newShared(),
    ...rolesOf(options, chatRoles),
    async forEachBot(what, operation) {
      const known = bots.all()
      if (known.length > 0) await Promise.all(known.map(operation))
      else this.forEveryBot(what, operation)
    },
    forEveryBot(what, operation) {
      const aside = (bot: KnownBot): void => {
        background.runOrReport(what, async () => operation(bot))
      }
      for (const bot of bots.all()) aside(bot)
      if (bots.stage(aside)) return
      throw new SentinelError(
        'bot.unknown',
        'This sentinel does not know its bot yet, and too many calls wait for it. Call await bot.init() and guard.install(bot) first.',
      )
    },
    warn(code, message) {
      const text = `${code} ${message}`
      if (warned.has(text) || warned.size >= MOST_WARNINGS) return
      warned.add(text)
      events.tell('warning', { code, message })
    },
    async letGo() {
      chatRoles.close()
      try {
        await release()
      } catch (error) {
        failed(error, 'close')
      }
      unobserve?.()
    },
  }
}

function tellCondition(condition: StorageCondition, events: Events<SentinelEvents>): void {
  if (condition.is === 'down') {
    const { is, ...down } = condition
    events.tell('storage.down', down)
  } else if (condition.is === 'up')
    events.tell('storage.up', { kind: condition.kind, afterMs: condition.after })
  else if (condition.is === 'warning')
    events.tell('warning', { code: condition.code, message: condition.message })
  else events.tell('error', { error: condition.error, during: condition.during })
}

/** Returns the same services with other exemptions, roles and notices. */
export function renewServices(services: Services, options: ServicesOptions): Services {
  const { steady, timers, background, failed } = services
  const notices = new Notices(options.notices ?? {}, steady, timers, background, failed)
  notices.follow(services.notices)
  return {
    ...services,
    shadow: options.shadow ?? false,
    notices,
    ...rolesOf(options, services.chatRoles),
  }
}

function rolesOf(
  { exempt: { roles: exempted = [], chatAdmins = false } = {}, roles: named }: ServicesOptions,
  chatRoles: ChatAdministrators,
): Pick<Services, 'exemptMarks' | 'administrators' | 'roles' | 'chatRoles'> {
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
 * Returns a name for the next chain on a storage: its number in the order of creation, which is the same in every worker that
 * runs the same code.
 */
export function chainName(storage: Storage): string {
  const number = (chains.get(storage) ?? 0) + 1
  chains.set(storage, number)
  return String(number)
}
