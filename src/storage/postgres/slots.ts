import { SentinelError } from '../../core/errors.js'

/** Maximum number of calls that wait for a slot. */
const MOST_WAITING = 10_000

/** A table whose statements are bounded, because somebody else may lock it: with `CREATE INDEX`, `VACUUM FULL` and the like. */
export type BoundedTable = 'marks' | 'users' | 'values'

/** Lets a limited number of calls run at once. The others wait, and begin in their order. */
class Slots {
  private running = 0
  private readonly waiting: (() => void)[] = []

  /** @param mostAfterAnswer Maximum number of calls at once that a call which ended may raise it to. */
  constructor(
    private readonly most: number,
    private readonly mostAfterAnswer = most,
  ) {}

  async take<T>(call: () => Promise<T>): Promise<T> {
    if (this.running < this.most) this.running++
    else await this.turn()
    try {
      return await call()
    } finally {
      this.running--
      while (this.running < this.mostAfterAnswer) {
        const next = this.waiting.shift()
        if (next === undefined) break
        // Counted here, so that no call that comes just now overtakes it.
        this.running++
        next()
      }
    }
  }

  private turn(): Promise<void> {
    if (this.waiting.length >= MOST_WAITING) {
      throw new SentinelError(
        'storage.overloaded',
        `postgres: ${MOST_WAITING} statements wait for the server, as many as are allowed. Is one of the tables locked?`,
      )
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }
}

/**
 * Bounds how many connections of a pool the statements on some tables occupy. A statement that waits for a locked table occupies
 * its connection until the lock is released, and decisions, which do not need that table, must still find one.
 */
export class TableSlots {
  private readonly all: Slots
  private readonly tables: Readonly<Record<BoundedTable, Slots>>

  /**
   * @param most Maximum number of connections for all tables together. One table may occupy all but one of them. Values may occupy
   * all while they are answered, since sessions need them for every update; what other tables need comes in its turn.
   */
  constructor(most: number) {
    const all = Math.max(1, most)
    const ofOne = Math.max(1, most - 1)
    this.all = new Slots(all)
    this.tables = { marks: new Slots(ofOne), users: new Slots(ofOne), values: new Slots(ofOne, all) }
  }

  take<T>(table: BoundedTable, call: () => Promise<T>): Promise<T> {
    return this.tables[table].take(() => this.all.take(call))
  }
}
