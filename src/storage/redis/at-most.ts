import type { Ms } from '../../core/duration.js'

/** Waits for work that nobody else waits for, but no longer than this. The work continues, and its errors are the caller's. */
export async function atMost(span: Ms, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, span)
    // A wait that is almost over does not keep the process alive.
    timer.unref()
  })
  try {
    await Promise.race([work, over])
  } finally {
    clearTimeout(timer)
  }
}
