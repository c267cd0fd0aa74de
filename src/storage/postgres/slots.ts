import { SentinelError } from '../../core/errors.js'

/** Maximum number of calls that wait for a slot. */
const MOST_WAITING = 10_000

/** A table whose statements are bounded, because somebody else may lock it: with `CREATE INDEX`, `VACUUM FULL` and the like. */
export type BoundedTable = 'marks' | 'users' | 'values'

/** Lets a limited number of calls run at once. The others wait, and begin in their order. */
class Slots {
  private free: number
  private readonly waiting: (() => void)[] = []

  constructor(most: number) {
    this.free = most
  }

  async take<T>(call: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--
    else await this.turn()
    try {
      return await call()
    } finally {
      // The slot passes to the next call directly, so that none that comes just now overtakes it.
      const next = this.waiting.shift()
      if (next === undefined) this.free++
      else next()
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

  /** @param most Maximum number of connections for all tables together. One table may occupy all but one of them. */
  constructor(most: number) {
    const ofOne = Math.max(1, most - 1)
    this.all = new Slots(Math.max(1, most))
    this.tables = { marks: new Slots(ofOne), users: new Slots(ofOne), values: new Slots(ofOne) }
  }

  take<T>(table: BoundedTable, call: () => Promise<T>): Promise<T> {
    return this.tables[table].take(() => this.all.take(call))
  }
}
