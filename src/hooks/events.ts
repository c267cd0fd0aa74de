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
  private readonly watchers = new globalThis.Map<keyof Map, Set<Listener<never>>>()

  constructor(
    private readonly failed: (error: unknown, event: keyof Map) => void,
    /** Told what nobody listens to. */
    private readonly unheard: (event: keyof Map, told: unknown) => void,
  ) {}

  /** Listens; the returned function stops it. */
  on<E extends keyof Map>(event: E, listener: Listener<Map[E]>): () => void {
    return added(this.listeners, event, listener)
  }

  /** Listens as a bystander: what nobody else listens to is still unheard. */
  watch<E extends keyof Map>(event: E, listener: Listener<Map[E]>): () => void {
    return added(this.watchers, event, listener)
  }

  /** Whether anybody listens who is no bystander. */
  heard(event: keyof Map): boolean {
    const listeners = this.listeners.get(event)
    return listeners !== undefined && listeners.size > 0
  }

  /** Whether there is anybody to tell: where telling costs something, ask first. */
  wanted(event: keyof Map): boolean {
    return this.heard(event) || (this.watchers.get(event)?.size ?? 0) > 0
  }

  /** Tells of whoever was told of an event and failed: the same way as of a listener. */
  fail(error: unknown, event: keyof Map): void {
    this.failed(error, event)
  }

  tell<E extends keyof Map>(event: E, told: Map[E]): void {
    const listeners = this.listeners.get(event)
    const watchers = this.watchers.get(event)
    if (watchers !== undefined && watchers.size > 0) this.tellEach(watchers, event, told)
    if (listeners === undefined || listeners.size === 0) this.unheard(event, told)
    else this.tellEach(listeners, event, told)
  }

  private tellEach<E extends keyof Map>(
    listeners: ReadonlySet<Listener<never>>,
    event: E,
    told: Map[E],
  ): void {
    for (const listener of [...listeners]) {
      try {
        const outcome: unknown = (listener as Listener<Map[E]>)(told)
        // An async function is a listener to the compiler; a rejection that nobody takes would end the process.
        if (outcome instanceof Promise) outcome.catch((error: unknown) => this.failed(error, event))
      } catch (error) {
        this.failed(error, event)
      }
    }
  }
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
