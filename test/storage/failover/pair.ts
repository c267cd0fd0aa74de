import type { Check, Judge } from '../../../src/core/check.js'
import type { Observable, StorageCondition } from '../../../src/storage/contract/condition.js'
import { type FailoverOptions, failover } from '../../../src/storage/failover.js'
import { Stage } from '../../middleware/rig.js'
import { faulty } from '../faulty.js'
import { passing, planOf, settled } from '../outage.js'

/** Two storages that can be made to fail, a failover() around them, and a clock that is moved by hand. */
export function pair(options: FailoverOptions = {}, step = 25) {
  const time = new Stage()
  const first = faulty(time.clock, time.timers)
  const second = faulty(time.clock, time.timers)
  const storage = failover([first, second], { clock: time.clock, timers: time.timers, ...options })
  const told: StorageCondition[] = []
  ;(storage as unknown as Observable).observe((each) => told.push(each))
  const pass = (ms: number): Promise<void> => passing(time, ms, step)
  return {
    time,
    first,
    second,
    storage,
    told,
    pass,
    /** Advances the clock until the work is done. */
    async done<T>(work: () => T | PromiseLike<T>): Promise<T> {
      let over = false
      const working = (async () => work())().finally(() => {
        over = true
      })
      working.catch(() => undefined)
      await settled()
      while (!over) await pass(step)
      return working
    },
    async judgeOf(...checks: readonly Check[]): Promise<Judge> {
      return storage.prepare(planOf(...checks))
    },
  }
}
