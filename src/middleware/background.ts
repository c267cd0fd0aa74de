import { type Probe, stepped } from './probe.js'

/** Work that no update waits for: notices, answers, marks. Bounded, and drained by `close()`. */
export class Background {
  private readonly running = new Set<Promise<void>>()
  /** Work refused because too much was under way. */
  dropped = 0
  /** Watches it. */
  probe: Probe | undefined

  constructor(
    private readonly failed: (error: unknown, what: string) => void,
    private readonly most = 256,
  ) {}

  get size(): number {
    return this.running.size
  }

  /** Runs it aside; false if there is too much already. What it throws is told, with `what` it was. */
  run(what: string, work: () => Promise<unknown>): boolean {
    if (this.running.size >= this.most) {
      this.dropped++
      return false
    }
    const running = this.guarded(what, work).finally(() => this.running.delete(running))
    this.running.add(running)
    return true
  }

  /** Waits until nothing is under way. */
  async drain(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running)
  }

  private async guarded(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await stepped(this.probe, { kind: 'background', name: what }, work)
    } catch (error) {
      this.failed(error, what)
    }
  }
}
