/**
 * Is told one event; see `guard.on()`. Called synchronously, so it should be quick. What it throws goes to
 * `error`.
 *
 * @example
 * ```ts
 * import { type DeniedEvent, type Listener, sentinel } from 'grammy-sentinel'
 *
 * const listener: Listener<DeniedEvent> = ({ facts, verdict }) => console.log(facts.updateId, verdict.reason)
 * sentinel().on('denied', listener)
 * ```
 */
export type Listener<T> = (told: T) => void

/**
 * Tells listeners, synchronously and in the order they came. A listener that throws or rejects never reaches the
 * teller: its error goes to `failed`.
 */
export class Events<Map extends object> {
  private readonly listeners = new globalThis.Map<keyof Map, Set<Listener<never>>>()
  /** Lists are replaced, not changed: they may be walked at the time. */
  private readonly watchers = new globalThis.Map<keyof Map, readonly Watcher[]>()

  constructor(
    private readonly failed: (error: unknown, event: keyof Map, told?: unknown) => void,
    /** Told what nobody listens to. */
    private readonly unheard: (event: keyof Map, told: unknown) => void,
  ) {}

  /** Listens; the returned function stops it. */
  on<E extends keyof Map>(event: E, listener: Listener<Map[E]>): () => void {
    return added(this.listeners, event, listener)
  }

  /** Listens as a bystander: what nobody else listens to is still unheard. While `whose` is idle it is told nothing. */
  watch<E extends keyof Map>(event: E, listener: Listener<Map[E]>, whose: Watcher['whose'] = {}): () => void {
    const watcher: Watcher = { listener, whose }
    this.watchers.set(event, [...(this.watchers.get(event) ?? []), watcher])
    return () => {
      const rest = (this.watchers.get(event) ?? []).filter((other) => other !== watcher)
      this.watchers.set(event, rest)
    }
  }

  /** Whether anybody listens who is no bystander. */
  heard(event: keyof Map): boolean {
    const listeners = this.listeners.get(event)
    return listeners !== undefined && listeners.size > 0
  }

  /** Whether there is anybody to tell: where telling costs something, ask first. */
  wanted(event: keyof Map): boolean {
    if (this.listeners.size === 0 && this.watchers.size === 0) return false
    if (this.heard(event)) return true
    const watchers = this.watchers.get(event)
    if (watchers === undefined) return false
    for (let i = 0; i < watchers.length; i++) if (watchers[i]?.whose.idle !== true) return true
    return false
  }

  /** Tells of whoever was told of an event and failed: the same way as of a listener. */
  fail(error: unknown, event: keyof Map): void {
    this.failed(error, event)
  }

  tell<E extends keyof Map>(event: E, told: Map[E]): void {
    const listeners = this.listeners.get(event)
    const watchers = this.watchers.get(event)
    if (watchers !== undefined) {
      for (let i = 0; i < watchers.length; i++) {
        const { listener, whose } = watchers[i] as Watcher
        if (whose.idle !== true) this.tellOne(listener, event, told)
      }
    }
    if (listeners === undefined || listeners.size === 0) this.unheard(event, told)
    else for (const listener of [...listeners]) this.tellOne(listener, event, told)
  }

  private tellOne<E extends keyof Map>(listener: Listener<never>, event: E, told: Map[E]): void {
    try {
      const outcome: unknown = (listener as Listener<Map[E]>)(told)
      // An async function is a listener to the compiler; a rejection that nobody takes would end the process.
      if (outcome instanceof Promise) outcome.catch((error: unknown) => this.failed(error, event, told))
    } catch (error) {
      this.failed(error, event, told)
    }
  }
}

interface Watcher {
  readonly listener: Listener<never>
  readonly whose: { readonly idle?: boolean }
}

function added<E>(to: Map<E, Set<Listener<never>>>, event: E, listener: Listener<never>): () => void {
  let listeners = to.get(event)
  if (listeners === undefined) {
    listeners = new Set()
    to.set(event, listeners)
  }
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}
