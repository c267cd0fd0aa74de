import { explained, knownUndone, wordsOf } from '../../../src/storage/redis/failures.js'
import { type Ending, settling } from '../../../src/storage/remote/settling.js'

/* If a server refuses a refund, it was certainly not made, so it may be sent again. With any other failure that is uncertain. */

/** Whether a refund that fails with this answer may be sent again. */
async function mayBeToldAgain(answer: string): Promise<boolean> {
  const receipt: Ending = { settled: false, refunded: 0, ending: undefined }
  // Answers arrive in events of the socket, never synchronously.
  const call = new Promise<void>((_, fail) => setImmediate(() => fail(explained(wordsOf(new Error(answer))))))
  const told = settling(receipt, 'refund', knownUndone(call), () => undefined)
  await expect(told).rejects.toThrow()
  receipt.ending?.catch(() => undefined)
  return receipt.ending === undefined
}

test.each([
  "OOM command not allowed when used memory > 'maxmemory'.",
  "READONLY You can't write against a read only replica.",
  "NOPERM User app has no permissions to run the 'evalsha' command",
  'NOAUTH Authentication required.',
  'LOADING Redis is loading the dataset in memory',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  'CLUSTERDOWN The cluster is down',
  'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
  'NOREPLICAS Not enough good replicas to write.',
  'TRYAGAIN Multiple keys request during rehashing of slot',
  'Too many Cluster redirections. Last error: ReplyError: TRYAGAIN Multiple keys request during rehashing of slot',
  'Too many Cluster redirections. Last error: ReplyError: CLUSTERDOWN Hash slot not served',
  'Too many Cluster redirections. Last error: ReplyError: MOVED 3999 127.0.0.1:6381',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  'MOVED 3999 127.0.0.1:6381',
  'ASK 3999 127.0.0.1:6381',
])('a refund that is refused with "%s" may be sent again', async (answer) => {
  expect(await mayBeToldAgain(answer)).toBe(true)
})

test.each([
  'Connection is closed.',
  'Too many Cluster redirections. Last error: Error: Connection is closed.',
  'Command timed out',
  'ERR Error running script (call to f_1): @user_script:1: out of range',
  // The code is only part of a longer word.
  'ASKING is no answer that Redis gives',
])('a refund that fails with "%s" may have been made', async (answer) => {
  expect(await mayBeToldAgain(answer)).toBe(false)
})
