import { SentinelError } from '../../core/errors.js'
import { redacted } from '../../core/redact.js'
import { markUndone } from '../remote/settling.js'

/** ioredis repeats some calls to a cluster and reports in its own words that this was in vain. They matter only for redirections. */
const REPEATED = /^Too many .* Last error: \w+: (?!TRYAGAIN|MOVED|ASK)/

/** How a server quotes a call that it does not know. The keys in it contain ids of users. */
const ARGUMENTS = /, with args beginning with: .*$/s

/** A code of Node for a failed connection. */
const CODE = /^[A-Z][A-Z0-9_]+$/

/** Returns an error's message without secrets, and with its code. */
export function wordsOf(error: unknown): string {
  const words = redacted(error instanceof Error ? error.message : String(error))
    .replace(REPEATED, '')
    .replace(ARGUMENTS, '')
  const { code } = Object(error) as { readonly code?: unknown }
  const isNews = typeof code === 'string' && CODE.test(code) && !words.includes(code)
  return isNews ? `${words.replace(/[.]$/, '')} (${code}).`.trimStart() : words
}

/** What a user lacks, by what the server says, for commands and within scripts. Any other refusal concerns the login. */
const LACKED: readonly (readonly [RegExp, string])[] = [
  [/(access|publish) .*channel/, 'The user lacks the channel.'],
  [/access .*key/, 'The user lacks the keys.'],
  [/run /, 'The user lacks a command.'],
]

/** Turns a message of Redis or its client into a SentinelError, with advice if there is any. */
export function explained(said: string): SentinelError {
  if (said.startsWith('READONLY')) return readOnly()
  if (said.startsWith('UNREADABLE ')) return unreadable([said.slice('UNREADABLE '.length)])
  const message = said.replace(/[.]$/, '')
  if (message.startsWith('Too many Cluster redirections')) {
    return new SentinelError(
      'storage.failed',
      `redis: TRYAGAIN. A slot of the cluster is being moved, or its nodes disagree about where it is. ${message}`,
    )
  }
  if (/^(CROSSSLOT |MOVED |ASK |ERR SELECT is not allowed in cluster mode)/.test(message)) {
    return new SentinelError(
      'storage.cluster',
      'redis: the server is a node of a cluster and may have only part of the keys. Pass a list of nodes (one is enough): redis([url]), or a Cluster of ioredis.',
    )
  }
  if (
    /^(NOPERM|NOAUTH|WRONGPASS|ERR The user executing the script|ERR ACL failure in script)/.test(message)
  ) {
    const [, lacked = 'Check the user and the password.'] = LACKED.find(([said]) => said.test(message)) ?? []
    return new SentinelError(
      'storage.permission',
      `redis: ${message.replace(/ script: [0-9a-f]{8}.*$/s, '')}. ${lacked} The user needs the keys and the channel that begin with the prefix: ACL SETUSER … ~sentinel:* &sentinel:* +@all -@dangerous +info +role.`,
    )
  }
  if (message.startsWith('OOM')) {
    return new SentinelError(
      'storage.failed',
      `redis: its memory is full, and its maxmemory-policy allows to evict none of the keys that are left: ${message}. Raise maxmemory.`,
    )
  }
  const [, unknown] = /^ERR unknown command '(\w+)'/.exec(message) ?? []
  if (unknown !== undefined) {
    const remedy =
      unknown.toLowerCase() === 'info'
        ? 'Pass options with enableReadyCheck: false.'
        : 'The storage needs this command, but the server has removed or renamed it.'
    return new SentinelError('storage.failed', `redis: ${message}. ${remedy}`)
  }
  // `reasonOf()` finds a code in brackets by the full stop after them.
  return new SentinelError('storage.failed', `redis: ${message}${message.endsWith(')') ? '.' : ''}`)
}

/** Whether a cluster refused a call because it is moving a slot. */
export function isMoving(error: unknown): boolean {
  return error instanceof SentinelError && error.message.startsWith('redis: TRYAGAIN')
}

/** Errors by which the server refuses a call before running any of it. */
const REFUSED =
  /redis: (its memory is full|the server is a (replica|node)|(NOPERM|NOAUTH|LOADING|MASTERDOWN|CLUSTERDOWN|MISCONF|NOREPLICAS|TRYAGAIN|BUSY)\b)/

/** A call that fails before it was written does so within this many rounds of `process.nextTick()`. */
const ROUNDS = 8

/** Returns the same call. If it fails and certainly did nothing, its error is marked as such. */
export async function knownUndone<T>(call: Promise<T>): Promise<T> {
  // A command that was written to a socket can only fail after an event of that socket. If it fails earlier, it was never
  // written.
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

/** Waits until everything that does not depend on outside events has run. */
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
 * Error for marks that cannot be read, because they are damaged or their key holds something else. This does not count as a
 * failure of the storage, which still answers for all other subjects.
 */
export function unreadable(keys: readonly string[]): SentinelError {
  const some = keys.slice(0, 3).join(', ')
  const more = keys.length > 3 ? ` and ${keys.length - 3} more` : ''
  return new SentinelError(
    'value.invalid',
    `redis: marks cannot be read, so it is unknown who is blocked: ${some}${more}. DEL these keys, and put the marks again.`,
  )
}
