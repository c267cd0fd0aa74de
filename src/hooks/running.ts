import { isPromise, type MaybePromise } from '../core/check.js'
import type { Clock, Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { promised, unawaited } from '../core/unawaited.js'
import type { Leaf, Node } from './compile.js'
import type { HookRun } from './hook.js'

/** How a run of a hook ended. */
type Ending = 'done' | 'vetoed' | 'failed' | 'late' | 'dropped'

/** The services that running hooks requires. */
export interface Running {
  readonly timers: Timers
  /** A steady clock, for measuring durations. */
  readonly steady: Clock
  /** Reports an error that a hook threw, or its time-out. */
  failed(error: unknown, during: string, point: string): void
  /** Receives the outcome of each run; undefined if nobody listens, in which case runs are not timed. */
  readonly ran: ((point: string, name: string, ms: Ms, ending: Ending) => void) | undefined
  /** Runs work in the background; returns false if too much is running already. */
  aside(name: string, work: () => Promise<unknown>): boolean
  /** `once()` hooks that have run already. Keyed by the hook object, so that checking or adding it again does not reset it. */
  readonly spent: WeakSet<object>
  /** Runs one hook function, until it answers or times out. Tracing and metrics may wrap the call. */
  step<T>(name: string, run: () => MaybePromise<T>): MaybePromise<T>
}

/** The combined answer of a hook. */
export interface Outcome {
  readonly veto?: { readonly hook: string; readonly note: string } | undefined
  readonly enrich?: Readonly<Record<string, unknown>> | undefined
}

/** One pass through a point: the event and the hooks that run for it. */
export class Occasion {
  constructor(
    readonly point: string,
    readonly event: unknown,
    private readonly running: Running,
    /** Receives the data that hooks add; undefined at points where hooks only observe. */
    private readonly enriched: Record<string, unknown> | undefined,
  ) {}

  /** Runs a hook, synchronously as long as its functions answer synchronously. Never throws or rejects. */
  run(node: Node): MaybePromise<Outcome | undefined> {
    switch (node.kind) {
      case 'leaf':
        return this.leaf(node)
      case 'chain':
        return this.chain(node.nodes, 0)
      case 'parallel':
        return this.parallel(node.nodes)
      case 'once':
        if (this.running.spent.has(node.of)) return undefined
        this.running.spent.add(node.of)
        return this.run(node.node)
      case 'filter':
        return this.holds(node.when, node.name) ? this.run(node.node) : undefined
      case 'background':
        this.background(node.node, node.name)
        return undefined
    }
  }

  private chain(nodes: readonly Node[], from: number, before?: Outcome): MaybePromise<Outcome | undefined> {
    let all = before
    for (let i = from; i < nodes.length; i++) {
      const outcome = this.run(nodes[i] as Node)
      if (isPromise(outcome)) return this.chainRest(nodes, i + 1, all, outcome)
      all = this.follow(all, outcome)
      if (all?.veto !== undefined) break
    }
    return all
  }

  private async chainRest(
    nodes: readonly Node[],
    from: number,
    before: Outcome | undefined,
    waited: Promise<Outcome | undefined>,
  ): Promise<Outcome | undefined> {
    const all = this.follow(before, await waited)
    return all?.veto === undefined ? this.chain(nodes, from, all) : all
  }

  /** Makes the data that a hook added available to the hooks after it. */
  private follow(before: Outcome | undefined, outcome: Outcome | undefined): Outcome | undefined {
    if (this.enriched !== undefined) Object.assign(this.enriched, outcome?.enrich)
    return together(before, outcome)
  }

  /** Does not share data itself: the enclosing chain does, in list order. */
  private parallel(nodes: readonly Node[]): MaybePromise<Outcome | undefined> {
    const outcomes = nodes.map((node) => this.run(node))
    const all = (list: readonly (Outcome | undefined)[]) => list.reduce(together, undefined)
    return outcomes.some(isPromise) ? Promise.all(outcomes).then(all) : all(outcomes as Outcome[])
  }

  private holds(when: (event: unknown) => boolean, name: string): boolean {
    try {
      const held: unknown = when(this.event)
      if (unawaited(held)) this.failed(promised(`hooks.${this.point}, condition ${name}`), name)
      return held === true
    } catch (error) {
      this.failed(error, name)
      return false
    }
  }

  private background(node: Node, name: string): void {
    // A separate occasion without `enriched`, because a background hook decides nothing.
    const apart = new Occasion(this.point, this.event, this.running, undefined)
    if (!this.running.aside(`hook ${name}`, async () => apart.run(node)))
      this.running.ran?.(this.point, name, 0, 'dropped')
  }

  private leaf(leaf: Leaf): MaybePromise<Outcome | undefined> {
    const since = this.running.ran === undefined ? undefined : this.running.steady()
    const run = new Run(this.point, leaf.name)
    const ended = (ending: Ending): void => {
      const { ran, steady } = this.running
      // If a listener was added during the run, the start was not recorded and the duration is reported as 0.
      ran?.(this.point, leaf.name, since === undefined ? 0 : steady() - since, ending)
    }
    const threw = (error: unknown): undefined => {
      this.failed(error, leaf.name)
      ended(error !== undefined && error === run.ended ? 'late' : 'failed')
    }
    const answered = (outcome: Outcome | undefined): Outcome | undefined => {
      ended(outcome?.veto === undefined ? 'done' : 'vetoed')
      return outcome
    }
    try {
      const outcome = this.running.step(leaf.name, () => this.call(leaf, run))
      return isPromise(outcome) ? outcome.then(answered, threw) : answered(outcome)
    } catch (error) {
      return threw(error)
    }
  }

  /** Throws what the function throws, and what reading its answer throws (a getter). */
  private call(leaf: Leaf, run: Run): MaybePromise<Outcome | undefined> {
    const answer = leaf.run(this.event, run)
    return isPromise(answer) ? this.inTime(answer, leaf, run) : this.read(answer, leaf)
  }

  private inTime(answer: Promise<unknown>, leaf: Leaf, run: Run): Promise<Outcome | undefined> {
    return new Promise((fulfil, reject) => {
      const callOff = this.running.timers.after(leaf.timeout, () => {
        const error = new SentinelError(
          'hook.timeout',
          `hooks.${this.point}: "${leaf.name}" took longer than ${leaf.timeout} ms and is no longer waited for. Make it faster, raise its timeout, or run it in the background.`,
        )
        run.abort(error)
        reject(error)
      })
      // A foreign promise may settle synchronously, late or twice. After the time-out its result is ignored.
      Promise.resolve(answer)
        .finally(callOff)
        .then((value) => this.read(value, leaf))
        .then(fulfil, reject)
    })
  }

  private read(answer: unknown, leaf: Leaf): Outcome | undefined {
    return this.enriched === undefined ? undefined : outcomeOf(answer, leaf.name)
  }

  private failed(error: unknown, name: string): void {
    this.running.failed(error, `hook ${name}`, this.point)
  }
}

/** The run as its hook sees it. Most hooks ignore the signal, so it is created on first access. */
class Run implements HookRun {
  private control: AbortController | undefined
  /** The reason why the run is no longer awaited. */
  ended: unknown

  constructor(
    readonly point: string,
    readonly name: string,
  ) {}

  get signal(): AbortSignal {
    if (this.control === undefined) {
      this.control = new AbortController()
      if (this.ended !== undefined) this.control.abort(this.ended)
    }
    return this.control.signal
  }

  abort(reason: unknown): void {
    this.ended = reason
    this.control?.abort(reason)
  }
}

/** Reads a hook's answer, which is foreign code: anything invalid counts as no answer. It is copied, so later reads cannot throw. */
function outcomeOf(answer: unknown, hook: string): Outcome | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  const { veto, enrich } = answer as { readonly veto?: unknown; readonly enrich?: unknown }
  const note = typeof veto === 'string' ? veto : veto === true ? '' : undefined
  const isRich = typeof enrich === 'object' && enrich !== null
  if (note === undefined && !isRich) return undefined
  return {
    veto: note === undefined ? undefined : { hook, note },
    enrich: isRich ? named(enrich) : undefined,
  }
}

/** Combines two outcomes: the first veto counts, and the later value of each name. */
function together(one: Outcome | undefined, other: Outcome | undefined): Outcome | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return { veto: one.veto ?? other.veto, enrich: named(one.enrich, other.enrich) }
}

/** Merges into an object without a prototype, so that hooks may use any name. */
function named(...all: readonly (object | undefined)[]): Record<string, unknown> {
  return Object.assign(Object.create(null), ...all)
}
