import type { CallsHealth } from '../contract/storage.js'

/** Upper bounds of the sizes counted separately. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256] as const

/** Counts the calls of one storage and how many questions shared each. Costs a few additions per call and one per question. */
export class Calls {
  private calls = 0
  private failed = 0
  private questions = 0
  private readonly sizes = new Float64Array(SIZES.length)
  /** Questions waiting for a call at present. */
  waiting = 0

  made(questions: number): void {
    this.calls++
    this.waiting -= questions
    this.questions += questions
    // Index of the first bound that is not below `questions`. Larger batches than the last bound are never made.
    const index = Math.min(SIZES.length - 1, 32 - Math.clz32(Math.max(1, questions) - 1))
    this.sizes[index] = (this.sizes[index] as number) + 1
  }

  lost(): void {
    this.failed++
  }

  get health(): CallsHealth {
    return {
      made: this.calls,
      failed: this.failed,
      questions: this.questions,
      sizes: SIZES.map((atMost, index) => ({ atMost, calls: this.sizes[index] as number })),
      waiting: this.waiting,
    }
  }
}
