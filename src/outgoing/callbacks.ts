import { unawaited } from '../core/unawaited.js'

/** A developer's function, which must not fail the call that it is told of: what it throws, or rejects with, is told instead. */
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
