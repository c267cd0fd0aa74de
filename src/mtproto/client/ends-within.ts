import type { Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'

/** Resolves with whether the work ended within that time; rejects if it fails before. */
export async function endsWithin(work: Promise<unknown>, ms: Ms, timers: Timers): Promise<boolean> {
  let callOff: () => void = () => undefined
  const late = new Promise<boolean>((resolve) => {
    callOff = timers.after(ms, () => resolve(false))
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    callOff()
  }
}
