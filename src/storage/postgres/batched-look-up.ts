import { Batch, type Waiting } from '../remote/batch.js'

/** Maximum number of items per look-up. */
const MOST = 64
/** More than a process ever waits for, unless the server does not answer. */
const MOST_WAITING = 100_000

class Asked<Item, Answer> implements Waiting {
  constructor(
    readonly item: Item,
    readonly resolve: (answer: Answer | Promise<Answer>) => void,
    readonly fail: (error: unknown) => void,
  ) {}
}

/** Combines look-ups: items requested in one turn of the event loop, or while a look-up is in progress, share a statement. */
export class BatchedLookUp<Item, Answer> {
  private readonly batch: Batch<Asked<Item, Answer>>

  /**
   * @param lookUp Returns answers in the order of the items.
   * @param out Maximum number of concurrent look-ups.
   */
  constructor(lookUp: (items: readonly Item[]) => Promise<readonly (Answer | Promise<Answer>)[]>, out = 1) {
    const send = async (asked: Asked<Item, Answer>[]): Promise<void> => {
      const answers = await lookUp(asked.map(({ item }) => item))
      for (const [index, { resolve }] of asked.entries()) resolve(answers[index] as Answer)
    }
    this.batch = new Batch(send, { most: MOST, out, waiting: MOST_WAITING })
  }

  ask(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => this.batch.add(new Asked(item, resolve, reject)))
  }
}
