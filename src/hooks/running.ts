import { isPromise, type MaybePromise } from '../core/check.js'
import type { Clock, Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { promised, unawaited } from '../core/unawaited.js'
import type { Leaf, Node } from './compile.js'
import type { HookRun } from './hook.js'

/** How a run of a hook ended. */
export type Ending = 'done' | 'vetoed' | 'failed' | 'late' | 'dropped'

/** What runs hooks needs of the services around it. */
export interface Running {
  readonly timers: Timers
  /** Tells how much time passes, for durations. */
  readonly steady: Clock
  /** Told what a hook threw, or that it was too late. */
  failed(error: unknown, during: string, point: string): void
  /** Told how a hook ended; undefined where nobody wants to know, and nothing is timed. */
  readonly ran: ((point: string, name: string, ms: Ms, ending: Ending) => void) | undefined
  /** Runs it where nobody waits for it; false if too much is there already. */
  aside(name: string, work: () => Promise<unknown>): boolean
  /** Hooks that were to run once, and have: themselves, however often they are checked and put somewhere anew. */
  readonly spent: WeakSet<object>
  /** Runs one function, until it has answered or is not waited for any more, as whoever watches likes it. */
  step<T>(name: string, run: () => MaybePromise<T>): MaybePromise<T>
}

/** What comes of a hook. */
export interface Outcome {
  readonly veto?: { readonly hook: string; readonly note: string } | undefined
  readonly enrich?: Readonly<Record<string, unknown>> | undefined
}

/** One time that a point is reached. */
export class Occasion {
  constructor(
    readonly point: string,
    readonly told: unknown,
    private readonly running: Running,
    /** What is enriched goes here; undefined where hooks only watch. */
    private readonly enriched: Record<string, unknown> | undefined,
  ) {}

  /** Runs a hook: synchronously as long as functions answer so. Never throws or rejects. */
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

  /** Gives what a hook brought to those that follow. */
  private follow(before: Outcome | undefined, outcome: Outcome | undefined): Outcome | undefined {
    if (this.enriched !== undefined) Object.assign(this.enriched, outcome?.enrich)
    return together(before, outcome)
  }

  /** What they bring is given to those that follow by the chain that they stand in, in the order of the list. */
  private parallel(nodes: readonly Node[]): MaybePromise<Outcome | undefined> {
    const outcomes = nodes.map((node) => this.run(node))
    const all = (list: readonly (Outcome | undefined)[]) => list.reduce(together, undefined)
    return outcomes.some(isPromise) ? Promise.all(outcomes).then(all) : all(outcomes as Outcome[])
  }

  private holds(when: (told: unknown) => boolean, name: string): boolean {
    try {
      const held: unknown = when(this.told)
      if (unawaited(held)) this.failed(promised(`hooks.${this.point}, condition ${name}`), name)
      return held === true
    } catch (error) {
      this.failed(error, name)
      return false
    }
  }

  private background(node: Node, name: string): void {
    // It runs aside, on its own: its answer decides nothing.
    const apart = new Occasion(this.point, this.told, this.running, undefined)
    if (!this.running.aside(`hook ${name}`, async () => apart.run(node)))
      this.running.ran?.(this.point, name, 0, 'dropped')
  }

  private leaf(leaf: Leaf): MaybePromise<Outcome | undefined> {
    const since = this.running.ran === undefined ? undefined : this.running.steady()
    const run = new Run(this.point, leaf.name)
    const ended = (ending: Ending): void => {
      const { ran, steady } = this.running
      // Somebody may have begun to listen meanwhile: since when it ran is not known then.
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

  /** Throws what the function throws, and what its answer throws when it is read. */
  private call(leaf: Leaf, run: Run): MaybePromise<Outcome | undefined> {
    const answer = leaf.run(this.told, run)
    return isPromise(answer) ? this.inTime(answer, leaf, run) : this.read(answer, leaf)
  }

  private inTime(answer: Promise<unknown>, leaf: Leaf, run: Run): Promise<Outcome | undefined> {
    return new Promise((fulfil, reject) => {
      const callOff = this.running.timers.after(leaf.timeout, () => {
        const error = new SentinelError(
          'hook.timeout',
          `hooks.${this.point}: "${leaf.name}" took longer than ${leaf.timeout} ms; it is not waited for. Make it quicker, give it a longer timeout, or send it to the background.`,
        )
        run.abort(error)
        reject(error)
      })
      // A promise from outside may settle at once, late or twice. After the time-out its result is ignored.
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

/** A run as its hook sees it. Most never look at the signal, so it is made when asked for. */
class Run implements HookRun {
  private control: AbortController | undefined
  /** Why nobody waits for it any more. */
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

/** From a developer's code: whatever is no answer is none. It is read once, and kept: what reads it later cannot throw. */
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

/** Of two, the first veto; the later of a name wins. */
function together(one: Outcome | undefined, other: Outcome | undefined): Outcome | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return { veto: one.veto ?? other.veto, enrich: named(one.enrich, other.enrich) }
}

/** Without a prototype: whatever names hooks come up with are names. */
function named(...all: readonly (object | undefined)[]): Record<string, unknown> {
  return Object.assign(Object.create(null), ...all)
}
