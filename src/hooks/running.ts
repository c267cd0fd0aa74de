import { isPromise, type MaybePromise } from '../core/check.js'
import type { Clock, Timers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import type { Leaf, Node } from './compile.js'
import type { HookAnswer, HookResult, HookRun } from './hook.js'

/** How a run of a hook ended. */
export type Ending = 'done' | 'vetoed' | 'failed' | 'late' | 'dropped'

/** What runs hooks needs of the house they are in. */
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
  /** Runs one function as whoever watches likes it. */
  step(name: string, run: () => HookResult<HookAnswer>): HookResult<HookAnswer>
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

  /** Gives what a hook brought to those that follow. */
  take(outcome: Outcome | undefined): void {
    if (outcome?.enrich === undefined || this.enriched === undefined) return
    for (const [name, value] of Object.entries(outcome.enrich)) this.enriched[name] = value
  }

  private chain(nodes: readonly Node[], from: number): MaybePromise<Outcome | undefined> {
    for (let i = from; i < nodes.length; i++) {
      const outcome = this.run(nodes[i] as Node)
      if (isPromise(outcome)) return this.chainRest(nodes, i + 1, outcome)
      this.take(outcome)
      if (outcome?.veto !== undefined) return outcome
    }
  }

  private async chainRest(
    nodes: readonly Node[],
    from: number,
    waited: Promise<Outcome | undefined>,
  ): Promise<Outcome | undefined> {
    const outcome = await waited
    this.take(outcome)
    return outcome?.veto === undefined ? this.chain(nodes, from) : outcome
  }

  private parallel(nodes: readonly Node[]): MaybePromise<Outcome | undefined> {
    const outcomes = nodes.map((node) => this.run(node))
    return outcomes.some(isPromise)
      ? Promise.all(outcomes).then((all) => this.together(all))
      : this.together(outcomes as Outcome[])
  }

  private together(outcomes: readonly (Outcome | undefined)[]): Outcome | undefined {
    for (const outcome of outcomes) this.take(outcome)
    return outcomes.find((outcome) => outcome?.veto !== undefined)
  }

  private holds(when: (told: unknown) => boolean, name: string): boolean {
    try {
      return when(this.told) === true
    } catch (error) {
      this.failed(error, name)
      return false
    }
  }

  private background(node: Node, name: string): void {
    // It has a life of its own: what it says decides nothing.
    const apart = new Occasion(this.point, this.told, this.running, undefined)
    if (!this.running.aside(`hook ${name}`, async () => apart.run(node)))
      this.running.ran?.(this.point, name, 0, 'dropped')
  }

  private leaf(leaf: Leaf): MaybePromise<Outcome | undefined> {
    const since = this.running.ran === undefined ? undefined : this.running.steady()
    const run = new Run(this.point, leaf.name)
    let answer: HookResult<HookAnswer>
    try {
      answer = this.running.step(leaf.name, () => leaf.run(this.told, run))
    } catch (error) {
      return this.threw(error, leaf, since)
    }
    return isPromise(answer) ? this.inTime(answer, leaf, run, since) : this.answered(answer, leaf, since)
  }

  private inTime(
    answer: Promise<unknown>,
    leaf: Leaf,
    run: Run,
    since: Ms | undefined,
  ): Promise<Outcome | undefined> {
    return new Promise((fulfil) => {
      let waited = true
      const callOff = this.running.timers.after(leaf.timeout, () => {
        waited = false
        const error = new SentinelError(
          'hook.timeout',
          `hooks.${this.point}: "${leaf.name}" took longer than ${leaf.timeout} ms; it is not waited for. Make it quicker, give it a longer timeout, or send it to the background.`,
        )
        run.abort(error)
        this.failed(error, leaf.name)
        this.ran(leaf, since, 'late')
        fulfil(undefined)
      })
      answer.then(
        (value) => {
          callOff()
          if (waited) fulfil(this.answered(value, leaf, since))
        },
        (error) => {
          callOff()
          // Whatever it throws when it is called off is no news.
          if (waited) fulfil(this.threw(error, leaf, since))
        },
      )
    })
  }

  private answered(answer: unknown, leaf: Leaf, since: Ms | undefined): Outcome | undefined {
    const outcome = this.enriched === undefined ? undefined : outcomeOf(answer, leaf.name)
    this.ran(leaf, since, outcome?.veto === undefined ? 'done' : 'vetoed')
    return outcome
  }

  private threw(error: unknown, leaf: Leaf, since: Ms | undefined): undefined {
    this.failed(error, leaf.name)
    this.ran(leaf, since, 'failed')
  }

  private failed(error: unknown, name: string): void {
    this.running.failed(error, `hook ${name}`, this.point)
  }

  private ran(leaf: Leaf, since: Ms | undefined, ending: Ending): void {
    const { ran, steady } = this.running
    // Somebody may have begun to listen meanwhile: since when it ran is not known then.
    ran?.(this.point, leaf.name, since === undefined ? 0 : steady() - since, ending)
  }
}

/** A run as its hook sees it. Most never look at the signal, so it is made when asked for. */
class Run implements HookRun {
  private control: AbortController | undefined
  private ended: unknown

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

/** From a developer's code: whatever is no answer is none. */
function outcomeOf(answer: unknown, hook: string): Outcome | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  const veto: unknown = Reflect.get(answer, 'veto')
  const enrich: unknown = Reflect.get(answer, 'enrich')
  const note = typeof veto === 'string' ? veto : veto === true ? '' : undefined
  if (note === undefined && (typeof enrich !== 'object' || enrich === null)) return undefined
  return {
    veto: note === undefined ? undefined : { hook, note },
    enrich:
      typeof enrich === 'object' && enrich !== null
        ? (enrich as Readonly<Record<string, unknown>>)
        : undefined,
  }
}
