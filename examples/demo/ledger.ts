import type { Context, MiddlewareFn } from 'grammy'
import type { Chat } from 'grammy/types'
import type { AllowedEvent, Key, Sentinel, SentinelFlavor, TransitionEvent, Verdict } from 'grammy-sentinel'
import { userKey } from 'grammy-sentinel'

/** Something that the guard reported. */
export type Happening =
  | {
      readonly type: 'decided'
      readonly who: Key | undefined
      readonly updateId: number
      readonly kind: string
      readonly verdict: Verdict
      readonly ctx: Context
    }
  | {
      readonly type: 'moved'
      readonly who: Key
      readonly event: TransitionEvent
      readonly chat: Chat
    }
  | { readonly type: 'blocked'; readonly who: Key; readonly reason: string | undefined }
  | { readonly type: 'failed'; readonly during: string; readonly error: unknown }

/** What became of the updates of one actor, who may have several accounts. */
export interface Account {
  /** Updates that the guard reports as admitted. */
  passed: number
  /** Updates that actually arrived behind the guard, to verify its reports. */
  reached: number
  /** Stopped updates by guard and reason, such as `throttle.limited`. */
  readonly stopped: Map<string, number>
  joined: number
  /** The last verdict. */
  last: Verdict | undefined
}

/** Most latencies to keep, as a live bot may run for months. */
const MOST_SAMPLES = 10_000

/** Records what the guard does with every update, and how long it takes. */
export class Ledger {
  passed = 0
  failures = 0
  /** Stopped updates by guard and reason, such as `throttle.limited`. */
  readonly stopped = new Map<string, number>()
  private readonly accounts = new Map<Key, Account>()
  private readonly listeners = new Set<(happening: Happening) => void>()
  private readonly begun = new WeakMap<Context, number>()
  private readonly samples: number[] = []
  private sampled = 0

  /** Middleware to place before the guard. */
  readonly before: MiddlewareFn<Context> = (ctx, next) => {
    this.begun.set(ctx, performance.now())
    return next()
  }

  /** Middleware to place right behind the guard. */
  readonly after: MiddlewareFn<Context & Partial<SentinelFlavor>> = (ctx, next) => {
    this.sample(ctx)
    // `ctx.sentinel` is undefined for kinds of updates that the guard does not know.
    const account = this.accountOf(ctx.sentinel?.facts.actor)
    if (account !== undefined) account.reached++
    return next()
  }

  /** Starts to listen to a guard. */
  watch<C extends Context>(guard: Sentinel<C>): void {
    const pass = ({ facts, ctx }: AllowedEvent): void => {
      // Sampled here as well, so that the work of this listener is not measured as the guard's.
      this.sample(ctx)
      this.passed++
      const account = this.accountOf(facts.actor)
      if (account !== undefined) account.passed++
      this.decided(ctx, { who: facts.actor, updateId: facts.updateId, kind: kindOf(ctx) }, { allowed: true })
    }
    guard.on('allowed', pass)
    // The guard admits updates of unknown kinds.
    guard.on('unknown', pass)
    guard.on('denied', ({ facts, ctx, verdict }) => {
      this.sample(ctx)
      const name = `${verdict.guard}.${verdict.reason}`
      add(this.stopped, name)
      const account = this.accountOf(facts.actor)
      if (account !== undefined) add(account.stopped, name)
      this.decided(ctx, { who: facts.actor, updateId: facts.updateId, kind: kindOf(ctx) }, verdict)
    })
    guard.on('membership', ({ event, member, chat }) => {
      const who = userKey(member.id)
      const account = this.accountOf(who)
      if (account !== undefined && event === 'joined') account.joined++
      this.tell({ type: 'moved', who, event, chat })
    })
    guard.on('blocked', ({ key, reason }) => this.tell({ type: 'blocked', who: key, reason }))
    guard.on('error', ({ error, during }) => this.failed(during, error))
    guard.on('warning', ({ code, message }) => this.failed(code, new Error(message)))
  }

  /** Opens an account for an actor with these keys. */
  follow(keys: Iterable<Key>): Account {
    const account: Account = { passed: 0, reached: 0, stopped: new Map(), joined: 0, last: undefined }
    for (const key of keys) this.accounts.set(key, account)
    return account
  }

  /** Records a failure that is not a verdict. */
  failed(during: string, error: unknown): void {
    this.failures++
    this.tell({ type: 'failed', during, error })
  }

  /** Adds a listener for everything that happens; the returned function removes it. */
  listen(listener: (happening: Happening) => void): () => void {
    this.listeners.add(listener)
    return () => {
      this.listeners.delete(listener)
    }
  }

  /** Waits until a condition holds; checks it after everything that happens. */
  until(what: string, holds: () => boolean, patienceMs = 8000): Promise<void> {
    if (holds()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        stop()
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error(`waited ${patienceMs} ms in vain until ${what}`))
      }, patienceMs)
      const stop = this.listen(() => {
        if (!holds()) return
        end()
        resolve()
      })
    })
  }

  /** Returns the latency that the guard added, in microseconds, at a quantile; undefined without samples. */
  addedLatency(quantile: number): number | undefined {
    const sorted = this.samples.toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))]
  }

  private decided(
    ctx: Context,
    told: { readonly who: Key | undefined; readonly updateId: number; readonly kind: string },
    verdict: Verdict,
  ): void {
    const account = this.accountOf(told.who)
    if (account !== undefined) account.last = verdict
    this.tell({ type: 'decided', ...told, verdict, ctx })
  }

  /** Takes a sample only the first time: a handler may later have an admitted update denied. */
  private sample(ctx: Context): void {
    const begun = this.begun.get(ctx)
    if (begun === undefined) return
    this.begun.delete(ctx)
    this.samples[this.sampled++ % MOST_SAMPLES] = (performance.now() - begun) * 1000
  }

  private accountOf(who: Key | undefined): Account | undefined {
    return who === undefined ? undefined : this.accounts.get(who)
  }

  private tell(happening: Happening): void {
    for (const listener of [...this.listeners]) listener(happening)
  }
}

/** How many updates were stopped, by one guard or by all. */
export function stoppedBy(stopped: ReadonlyMap<string, number>, guard?: string): number {
  let count = 0
  for (const [name, times] of stopped) {
    if (guard === undefined || name.startsWith(`${guard}.`)) count += times
  }
  return count
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function kindOf(ctx: Context): string {
  return Object.keys(ctx.update).find((field) => field !== 'update_id') ?? 'nothing'
}
