import type { Judge, MaybePromise } from '../../src/core/check.js'
import type { Clock, Timers } from '../../src/core/clock.js'
import type { SentinelError } from '../../src/core/errors.js'
import type { StorageChange } from '../../src/storage/contract/changes.js'
import { Listeners } from '../../src/storage/contract/listeners.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { memory } from '../../src/storage/memory/memory.js'

/** How a faulty server handles requests. */
export type Fault =
  | 'none'
  /** Refuses at once, like a closed port. */
  | 'refuses'
  /** Throws synchronously, without a promise. */
  | 'throws'
  /** Accepts requests, and handles them when it is resumed: a suspended process. */
  | 'hangs'
  /** Handles requests, and loses the answers. */
  | 'loses'
  /** Reads, but refuses writes: out of memory, or a replica. */
  | 'reads'

/** A remote storage with faults on demand: one in memory, behind a connection that may fail. */
export interface Faulty extends Storage {
  fault: Fault
  /** The duration of an answer in milliseconds, by the given timers. */
  delay: number
  /** The calls that the fault affects: all by default. */
  parts: (what: string) => boolean
  /** All calls to it, in order. */
  readonly asked: string[]
  /** Lets hanging calls continue. */
  resume(): void
  /** Drops hanging calls, as a killed process does: they fail. */
  kill(): void
  /** The storage in memory behind it. */
  readonly kept: Storage
  /** Sends no change events. */
  deaf: boolean
  /** Reports a lost connection to watchers, which with an error is not back yet. */
  gap(lost?: SentinelError): void
  /** The number of watchers that have not been removed. */
  readonly listening: number
}

class Refused extends Error {
  readonly code = 'ECONNREFUSED'
}

export function faulty(clock: Clock, timers: Timers, kept: Storage = memory({ clock })): Faulty {
  const asked: string[] = []
  let hanging: { go: () => void; drop: () => void }[] = []
  const changes = new Listeners<StorageChange>()
  let listening = 0
  kept.watch((change) => {
    if (!self.deaf) changes.tell(change)
  })

  const WRITES = /evaluate|settle|put|remove|reset|note|patch|erase/

  function over<T>(what: string, work: () => MaybePromise<T>): Promise<T> {
    asked.push(what)
    const fault = self.parts(what) ? self.fault : 'none'
    if (fault === 'throws') throw new Refused('thrown at once')
    const answering = async (): Promise<T> => {
      switch (fault) {
        case 'refuses':
          throw new Refused('connect to redis://user:secret@10.0.0.1')
        case 'hangs':
          await new Promise<void>((go, drop) =>
            hanging.push({ go, drop: () => drop(new Refused('connection lost')) }),
          )
          return work()
        case 'loses':
          await work()
          return new Promise<T>(() => undefined)
        case 'reads':
          if (WRITES.test(what)) throw new Error("OOM command not allowed when used memory > 'maxmemory'.")
          return work()
        default:
          if (self.delay > 0) await new Promise<void>((done) => timers.after(self.delay, done))
          return work()
      }
    }
    return answering()
  }

  function judgeOver(judge: Judge): Judge {
    return {
      evaluate: (...args) => over('evaluate', () => judge.evaluate(...args)),
      peek: (...args) => over('peek', () => judge.peek(...args)),
      settle: (...args) => over(`settle ${args[1]}`, () => judge.settle(...args)),
    }
  }

  const { marks, users, values } = kept
  const self: Faulty = {
    fault: 'none',
    delay: 0,
    parts: () => true,
    asked,
    kept,
    remote: true,
    resume() {
      self.fault = 'none'
      const all = hanging
      hanging = []
      for (const { go } of all) go()
    },
    kill() {
      const all = hanging
      hanging = []
      for (const { drop } of all) drop()
    },
    deaf: false,
    gap: (lost) => changes.tell({ kind: 'gap', lost }),
    get listening() {
      return listening
    },
    prepare: (plan) => over('prepare', async () => judgeOver(await kept.prepare(plan))),
    marks: {
      get: (...args) => over('marks.get', () => marks.get(...args)),
      of: (...args) => over('marks.of', () => marks.of(...args)),
      put: (...args) => over('marks.put', () => marks.put(...args)),
      remove: (...args) => over('marks.remove', () => marks.remove(...args)),
      scan: (...args) => over('marks.scan', () => marks.scan(...args)),
    },
    users: {
      get: (...args) => over('users.get', () => users.get(...args)),
      note: (...args) => over('users.note', () => users.note(...args)),
      patch: (...args) => over('users.patch', () => users.patch(...args)),
      scan: (...args) => over('users.scan', () => users.scan(...args)),
      erase: (...args) => over('users.erase', () => users.erase(...args)),
    },
    values: {
      get: (...args) => over('values.get', () => values.get(...args)),
      put: (...args) => over('values.put', () => values.put(...args)),
      remove: (...args) => over('values.remove', () => values.remove(...args)),
      scan: (...args) => over('values.scan', () => values.scan(...args)),
    },
    sessions: (options) => kept.sessions(options),
    watch: (listener) =>
      over('watch', () => {
        listening++
        const stop = changes.add(listener)
        return () => {
          listening--
          stop()
        }
      }),
    reset: (...args) => over('reset', () => kept.reset(...args)),
    health: () => over('health', async () => ({ ...(await kept.health()), kind: 'faulty' })),
    close: () => over('close', () => kept.close()),
  }
  return self
}
