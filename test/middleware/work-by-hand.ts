import { tick } from '../sentinel/desk.js'
import type { GuardedContext } from './rig.js'

/** Handlers that run until they are told to end. */
export class Work {
  readonly begun: string[] = []
  readonly ended: string[] = []
  private readonly ends = new Map<string, { end: () => void; fail: (error: Error) => void }>()

  readonly handler = (ctx: GuardedContext): Promise<void> => {
    const name = ctx.msg?.text ?? 'nothing'
    this.begun.push(name)
    return new Promise<void>((end, fail) => this.ends.set(name, { end, fail })).finally(() => {
      this.ended.push(name)
    })
  }

  get running(): readonly string[] {
    return this.begun.filter((name) => !this.ended.includes(name))
  }

  async end(...names: string[]): Promise<void> {
    for (const name of names) {
      const { end } = this.ends.get(name) ?? {}
      if (end === undefined) throw new Error(`"${name}" is not at work`)
      end()
      this.ends.delete(name)
      for (let i = 0; i < 3; i++) await tick()
    }
  }

  async fail(name: string): Promise<void> {
    this.ends.get(name)?.fail(new Error('boom'))
    this.ends.delete(name)
    for (let i = 0; i < 3; i++) await tick()
  }
}
