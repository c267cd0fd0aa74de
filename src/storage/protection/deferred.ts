import type { Judge, MaybePromise, Plan } from '../../core/check.js'
import type { Clock } from '../../core/clock.js'
import type { Key } from '../../core/subject.js'
import type { Archive } from '../contract/archive.js'
import type { ChangeListener } from '../contract/changes.js'
import type { ConditionListener, Observable } from '../contract/condition.js'
import { checkPlan } from '../contract/plan.js'
import { type SessionStorage, type SessionsOptions, sessionsOver } from '../contract/sessions.js'
import type { Marks, Storage, StorageHealth } from '../contract/storage.js'
import type { Users } from '../contract/users.js'
import type { Values } from '../contract/values.js'

/**
 * Stands in for the protection around a storage until its module is loaded. Calls made before that wait, in order. Plans wait
 * too, and so do the updates that need them; the judges they get come from the loaded module, so updates never pass through here.
 */
export class DeferredStorage implements Storage, Observable {
  readonly remote = true
  readonly kind: string | undefined
  readonly marks: Marks
  readonly users: Users
  readonly values: Values
  /** The protected storage, once loaded. */
  private real: ProtectedStorage | undefined
  private loading: Promise<ProtectedStorage> | undefined
  /** Number of calls waiting for the module. */
  private waiting = 0

  constructor(
    private readonly inner: Storage,
    private readonly make: () => Promise<ProtectedStorage>,
    private readonly clock: Clock | undefined,
  ) {
    this.kind = inner.kind
    this.marks = this.part('marks', ['get', 'of', 'put', 'remove', 'scan'])
    this.users = this.part('users', ['get', 'note', 'patch', 'scan', 'erase'])
    this.values = this.part('values', [
      'get',
      'put',
      'remove',
      'scan',
      ...(inner.values.touch === undefined ? [] : (['touch'] as const)),
    ])
  }

  prepare(plan: Plan): MaybePromise<Judge> {
    checkPlan(plan)
    return this.with((real) => real.prepare(plan))
  }

  get archive(): Archive | undefined {
    return (this.real ?? this.inner).archive
  }

  sessions<T>(options?: SessionsOptions<T>): SessionStorage<T> {
    return sessionsOver(this.values, options, this.clock)
  }

  watch(listener: ChangeListener): MaybePromise<() => void> {
    return this.with((real) => real.watch(listener))
  }

  observe(listener: ConditionListener): () => void {
    let stop: (() => void) | undefined
    let stopped = false
    this.load().then(
      (real) => {
        if (!stopped) stop = real.observe(listener)
      },
      // Calls that need the module receive the error; here there is nothing to observe.
      () => undefined,
    )
    return () => {
      stopped = true
      stop?.()
    }
  }

  reset(bot: number, key: Key, slot?: string): MaybePromise<void> {
    return this.with((real) => real.reset(bot, key, slot))
  }

  health(): MaybePromise<StorageHealth> {
    return this.with((real) => real.health())
  }

  close(): MaybePromise<void> {
    return this.with((real) => real.close())
  }

  async release(): Promise<void> {
    if (this.loading !== undefined) await (await this.loading).release()
  }

  private load(): Promise<ProtectedStorage> {
    this.loading ??= this.make().then(
      (real) => {
        this.real = real
        return real
      },
      (error: unknown) => {
        this.loading = undefined
        throw error
      },
    )
    return this.loading
  }

  /** Calls at once if the module is loaded and no earlier call is waiting, which keeps the calls in order. */
  private with<T>(use: (real: ProtectedStorage) => MaybePromise<T>): MaybePromise<T> {
    if (this.real !== undefined && this.waiting === 0) return use(this.real)
    this.waiting++
    return this.load().then(
      (real) => {
        this.waiting--
        return use(real)
      },
      (error: unknown) => {
        this.waiting--
        throw error
      },
    )
  }

  private part<Part extends 'marks' | 'users' | 'values'>(
    part: Part,
    names: readonly (keyof Storage[Part])[],
  ): Storage[Part] {
    const call =
      (name: keyof Storage[Part]) =>
      (...args: readonly unknown[]): unknown =>
        this.with((real) => {
          const owner = real[part]
          return Reflect.apply(owner[name] as (...given: unknown[]) => unknown, owner, args)
        })
    return Object.fromEntries(names.map((name) => [name, call(name)])) as unknown as Storage[Part]
  }
}

/** A storage wrapped in time-outs, a circuit breaker and a fallback. */
export interface ProtectedStorage extends Storage, Observable {
  /** Releases everything except the wrapped storage. */
  release(): Promise<void>
}
