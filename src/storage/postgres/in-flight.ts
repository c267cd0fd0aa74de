import type { Ms } from '../../core/duration.js'

type Reject = (error: Error) => void

/** The calls that have not settled. A pool that was ended never settles those that still wait for a connection. */
export class InFlight {
  private readonly rejects = new Set<Reject>()
  private emptied: (() => void) | undefined

  track<T>(call: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.rejects.add(reject)
      void call.then(resolve, reject).then(() => {
        this.rejects.delete(reject)
        if (this.rejects.size === 0) this.emptied?.()
      })
    })
  }

  /** Resolves to true when all have settled, or to false after this time, when it has rejected the rest. */
  settled(within: Ms, error: () => Error): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const reject of this.rejects) reject(error())
        resolve(false)
      }, within)
      this.emptied = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  get any(): boolean {
    return this.rejects.size > 0
  }
}
