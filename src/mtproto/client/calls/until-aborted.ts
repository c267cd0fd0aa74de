/**
 * Waits for the work, or rejects with the reason of the first signal that is aborted; the work itself is not stopped, and its
 * result is then ignored.
 */
export async function untilAborted<T>(work: Promise<T>, ...signals: readonly AbortSignal[]): Promise<T> {
  let stop: () => void = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signals.find((signal) => signal.aborted)?.reason)
    if (signals.some((signal) => signal.aborted)) stop()
    else for (const signal of signals) signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', stop)
  }
}
