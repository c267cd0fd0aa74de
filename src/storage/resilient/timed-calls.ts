import type { MaybePromise } from '../../core/check.js'
import { Deadline, type Deadlines } from '../../core/deadlines.js'
import type { Ms } from '../../core/duration.js'
import { noDecision } from '../shared/decisions.js'

/** No answer arrived in time. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut'
  readonly code = 'TIMEOUT'

  constructor(span: Ms) {
    super(`no answer within ${span} ms`)
  }
}

/** A call with a time limit. One object with methods rather than closures, because there is one for every update. */
export abstract class Call<T> extends Deadline {
  private fulfil!: (value: MaybePromise<T>) => void
  private reject!: (error: unknown) => void

  constructor(protected readonly deadlines: Deadlines) {
    super()
  }

  wait(answer: Promise<T>): Promise<T> {
    const waiting = new Promise<T>((fulfil, reject) => {
      this.fulfil = fulfil
      this.reject = reject
    })
    answer.then(
      (value) => this.arrive(value),
      (error) => {
        if (this.deadlines.meet(this)) this.end(error)
      },
    )
    this.deadlines.add(this)
    return waiting
  }

  /** Called when the answer arrived in time. */
  protected abstract answered(): void
  /** Called when the call failed or took too long. Returns a replacement for the answer, or throws. */
  protected abstract failed(error: unknown): MaybePromise<T>
  /** Whether the answer is valid. */
  protected isSound(_value: T): boolean {
    return true
  }
  /** Called when the answer arrived after it had been replaced. */
  protected late(_value: T): void {}

  override expire(): void {
    this.end(new TimedOut(this.deadlines.span))
  }

  private arrive(value: T): void {
    if (!this.deadlines.meet(this)) {
      if (this.isSound(value)) this.late(value)
      return
    }
    if (!this.isSound(value)) {
      this.end(noDecision())
      return
    }
    this.answered()
    this.fulfil(value)
  }

  private end(error: unknown): void {
    try {
      this.fulfil(this.failed(error))
    } catch (other) {
      this.reject(other)
    }
  }
}

/** A call that rejects if it fails or takes too long, and reports to nobody else. */
export class BoundedCall<T> extends Call<T> {
  protected override answered(): void {}

  protected override failed(error: unknown): never {
    throw error
  }
}
