import { isPromise, type MaybePromise } from '../../core/check.js'

/** Does work that no caller waits for. `failed` receives its error. */
export function inBackground(work: () => MaybePromise<unknown>, failed: (error: unknown) => void): void {
  try {
    const done = work()
    if (isPromise(done)) done.catch(failed)
  } catch (error) {
    failed(error)
  }
}
