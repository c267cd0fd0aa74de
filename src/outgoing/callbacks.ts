import { unawaited } from '../core/unawaited.js'

/** Wraps a callback of the developer, so that an exception or rejection is reported and does not fail the API call. */
export function guarded<T>(
  tell: ((told: T) => void) | undefined,
  name: string,
  failed: (error: unknown, during: string) => void,
): (told: T) => void {
  if (tell === undefined) return () => undefined
  const own = (error: unknown): void => failed(error, name)
  return (told) => {
    try {
      unawaited(tell(told), own)
    } catch (error) {
      own(error)
    }
  }
}
