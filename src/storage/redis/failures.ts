import { SentinelError } from '../../core/errors.js'
import { redacted } from '../../core/redact.js'
import { markUndone } from '../remote/settling.js'

/** A failure in words without secrets. */
export function wordsOf(error: unknown): string {
  return redacted(error instanceof Error ? error.message : String(error))
}

/** What Redis, or the client, says was wrong, with its mend. */
export function explained(said: string): SentinelError {
  if (said.startsWith('READONLY')) return readOnly()
  if (said.startsWith('UNREADABLE ')) return unreadable([said.slice('UNREADABLE '.length)])
  const message = said.replace(/[.]$/, '')
  if (/^(NOPERM|NOAUTH|WRONGPASS)/.test(message)) {
    return new SentinelError(
      'storage.permission',
      `redis: ${message}. Check the user and the password. The user needs the keys and the channel that begin with the prefix: ACL SETUSER … ~sentinel:* &sentinel:* +@all -@dangerous +info +role.`,
    )
  }
  if (message.startsWith('OOM')) {
    return new SentinelError(
      'storage.failed',
      `redis: its memory is full and its maxmemory-policy keeps it from making room: ${message}. Raise maxmemory.`,
    )
  }
  return new SentinelError('storage.failed', `redis: ${message}`)
}

/** A server that says so has not begun with what it was asked. */
const REFUSED =
  /redis: (its memory is full|the server is a replica|(NOPERM|NOAUTH|LOADING|MASTERDOWN|CLUSTERDOWN|MISCONF|NOREPLICAS|TRYAGAIN|BUSY|MOVED|ASK)\b)/

/** A call that fails before it was written does so within so many rounds. */
const ROUNDS = 8

/** The same call; where it fails and has certainly done nothing, that is noted of the error. */
export async function knownUndone<T>(call: Promise<T>): Promise<T> {
  // What was written to a socket fails by an event of that socket: what has failed before there can be any was never written.
  let isWritten = false
  void noEvent().then(() => {
    isWritten = true
  })
  try {
    return await call
  } catch (error) {
    if (error instanceof SentinelError && (!isWritten || REFUSED.test(error.message))) markUndone(error)
    throw error
  }
}

/** Lets everything run that waits for nothing from outside. */
async function noEvent(): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) await new Promise<void>((done) => process.nextTick(done))
}

export function readOnly(): SentinelError {
  return new SentinelError(
    'storage.readonly',
    'redis: the server is a replica that only reads, so nothing can be counted there. Connect to the master, or through Sentinel.',
  )
}

export function closed(): SentinelError {
  return new SentinelError('storage.closed', 'redis: closed. Make a new one with redis().')
}

/**
 * Marks of subjects that cannot be read: damaged, or something else under their key. No failure of the storage, which
 * answers all others: nobody is to think that it is down.
 */
export function unreadable(keys: readonly string[]): SentinelError {
  const some = keys.slice(0, 3).join(', ')
  const more = keys.length > 3 ? ` and ${keys.length - 3} more` : ''
  return new SentinelError(
    'value.invalid',
    `redis: marks cannot be read, so that nobody knows who is blocked there: ${some}${more}. DEL these keys, and put the marks again.`,
  )
}
