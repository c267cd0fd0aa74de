import { endsWithRequests } from './request-bound.js'

type Run<T> = () => T | Promise<T>

/**
 * Returns a function that runs another one in the asynchronous context (`AsyncLocalStorage`) of this call, after its caller has
 * returned; it may be called once. A promise calls what waits for it in the context in which the wait began, on every runtime and
 * without an API of any of them.
 */
export function inThisContext<T>(): (run: Run<T>) => Promise<T> {
  // Here a wait that began in a request never ends if the request does, so the function runs in the context of its caller.
  if (endsWithRequests()) return (run) => Promise.resolve().then(run)
  let begin: (run: Run<T>) => void
  const begun = new Promise<Run<T>>((done) => {
    begin = done
  })
  const ran = begun.then((run) => run())
  return (run) => {
    begin(run)
    return ran
  }
}
