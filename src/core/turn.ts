/** Read once, so that fake timers of tests do not stop storages from reading. */
const later = globalThis.setImmediate ?? setTimeout

/**
 * Resolves after one turn of the event loop. Storages in this process wait for it before each further page of a list; otherwise a
 * list of any length would be read without a pause, and all updates would wait for its end.
 */
export function turn(): Promise<void> {
  return new Promise((done) => void later(done))
}
