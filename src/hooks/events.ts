import { getOrInsert } from '../core/maps.js'

/**
 * Receives one event; see `guard.on()`. It is called synchronously, so it should be quick. An exception that it throws is
 * reported through the `error` event.
 *
 * @example
 * ```ts
 * import { type DeniedEvent, type Listener, sentinel } from 'grammy-sentinel'
 *
 * const listener: Listener<DeniedEvent> = ({ facts, verdict }) => console.log(facts.updateId, verdict.reason)
 * sentinel().on('denied', listener)
 * ```
 */
export type Listener<T> = (event: T) => void

/**
 * Calls listeners synchronously, in the order in which they were added. A listener that throws or rejects does not affect the
 * emitter: its error goes to `failed`.
 */
export class Events<EventMap extends object> {
  private readonly listeners = new Map<keyof EventMap, Set<Listener<never>>>()
  /** Lists are replaced rather than changed, since a list may be iterated at the time. */
  private readonly watchers = new Map<keyof EventMap, readonly Watcher[]>()

  constructor(
    private readonly failed: (error: unknown, event: keyof EventMap, payload?: unknown) => void,
    /** Receives events that have no listener. */
    private readonly unheard: (event: keyof EventMap, payload: unknown) => void,
  ) {}

  /** Adds a listener; the returned function removes it. */
  on<E extends keyof EventMap>(event: E, listener: Listener<EventMap[E]>): () => void {
    const listeners = getOrInsert(this.listeners, event, () => new Set<Listener<never>>())
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
    }
  }

  /** Adds a passive listener: events without other listeners still go to `unheard`. It is skipped while `whose.idle` is true. */
  watch<E extends keyof EventMap>(
    event: E,
    listener: Listener<EventMap[E]>,
    whose: Watcher['whose'] = {},
  ): () => void {
    const watcher: Watcher = { listener, whose }
    this.watchers.set(event, [...(this.watchers.get(event) ?? []), watcher])
    return () => {
      const rest = (this.watchers.get(event) ?? []).filter((other) => other !== watcher)
      this.watchers.set(event, rest)
    }
  }

  /** Whether the event has a listener that is not passive. */
  heard(event: keyof EventMap): boolean {
    const listeners = this.listeners.get(event)
    return listeners !== undefined && listeners.size > 0
  }

  /** Whether somebody listens to the event. Check it first where preparing the event is costly. */
  wanted(event: keyof EventMap): boolean {
    if (this.listeners.size === 0 && this.watchers.size === 0) return false
    if (this.heard(event)) return true
    const watchers = this.watchers.get(event)
    if (watchers === undefined) return false
    for (let i = 0; i < watchers.length; i++) if (watchers[i]?.whose.idle !== true) return true
    return false
  }

  /** Reports an error of code that received an event outside of a listener, in the same way as an error of a listener. */
  fail(error: unknown, event: keyof EventMap): void {
    this.failed(error, event)
  }

  tell<E extends keyof EventMap>(event: E, payload: EventMap[E]): void {
    const listeners = this.listeners.get(event)
    const watchers = this.watchers.get(event)
    if (watchers !== undefined) {
      for (let i = 0; i < watchers.length; i++) {
        const { listener, whose } = watchers[i] as Watcher
        if (whose.idle !== true) this.tellOne(listener, event, payload)
      }
    }
    if (listeners === undefined || listeners.size === 0) this.unheard(event, payload)
    else for (const listener of [...listeners]) this.tellOne(listener, event, payload)
  }

  private tellOne<E extends keyof EventMap>(listener: Listener<never>, event: E, payload: EventMap[E]): void {
    try {
      const outcome: unknown = (listener as Listener<EventMap[E]>)(payload)
      // TypeScript accepts an async function as a listener; its unhandled rejection would end the process.
      if (outcome instanceof Promise) outcome.catch((error: unknown) => this.failed(error, event, payload))
    } catch (error) {
      this.failed(error, event, payload)
    }
  }
}

interface Watcher {
  readonly listener: Listener<never>
  readonly whose: { readonly idle?: boolean }
}
