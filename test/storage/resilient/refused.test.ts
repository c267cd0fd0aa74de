import { SentinelError } from '../../../src/core/errors.js'
import { ALICE, BOT, blocked, type Outage, outage } from '../outage.js'

/* Calls that a storage refuses although it is up: the user lacks a right, or the server lacks the command. */

const answers = {
  'storage.permission':
    'redis: NOPERM this user has no permissions to run the command. The user lacks a command.',
  'storage.readonly': 'postgres: cannot execute INSERT in a read-only transaction (25006).',
  'storage.failed': "redis: ERR unknown command 'scan'.",
} as const

let stage: Outage
beforeEach(async () => {
  stage = outage()
  await stage.judgeOf(blocked)
})

describe.each(Object.entries(answers))('%s', (code, words) => {
  const refuse = (what: 'scan' | 'put'): void => {
    stage.remote.marks[what] = async () => {
      // Some messages end without a full stop.
      throw new SentinelError(code as keyof typeof answers, words.slice(0, -1))
    }
  }

  test('is what the error of the call says, without advice to try again', async () => {
    refuse('scan')
    await expect((async () => stage.storage.marks.scan(BOT, 'blocked'))()).rejects.toMatchObject({
      code: 'storage.unavailable',
      message: `marks.scan: the storage could not do this: ${words}`,
      cause: { code },
    })
    expect((await stage.storage.health()).ok).toBe(true)
  })

  test('of a mark says that it holds in this process', async () => {
    refuse('put')
    const mark = { since: 1 }
    await expect(
      (async () => stage.storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark }]))(),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/could not do this: (redis|postgres): .*[.] It holds in this process/),
    })
  })
})

test.each([
  ['storage.failed', 'redis: its memory is full: OOM command not allowed. Raise maxmemory.'],
  ['storage.failed', 'redis: MISCONF Redis is configured to save RDB snapshots.'],
  ['storage.failed', 'postgres: could not extend file: No space left on device (53100).'],
  ['storage.failed', 'postgres: cache lookup failed (XX000).'],
] as const)('a refusal with a code (%s, %s) is told in its words', async (code, words) => {
  stage.remote.marks.scan = async () => {
    throw new SentinelError(code, words)
  }
  await expect((async () => stage.storage.marks.scan(BOT, 'blocked'))()).rejects.toMatchObject({
    message: `marks.scan: the storage could not do this: ${words}`,
  })
})

test.each([
  'redis: connect ECONNREFUSED 127.0.0.1:6379',
  'redis: Connection is closed',
  'redis: Command timed out',
  'redis: write EPIPE (EPIPE).',
  'redis: wrong version number (ERR_SSL_WRONG_VERSION_NUMBER).',
  'redis: tlsv13 alert certificate required (ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED).',
])('a failure to reach the server (%s) advises to try again', async (words) => {
  stage.remote.marks.scan = async () => {
    throw new SentinelError('storage.failed', words)
  }
  await expect((async () => stage.storage.marks.scan(BOT, 'blocked'))()).rejects.toMatchObject({
    message: expect.stringMatching(/did not answer .* Try again when health\(\)\.ok is true/),
  })
})

test('a storage that reports itself unhealthy while it is down does not hide why it went down', async () => {
  const words = 'postgres: too many connections for role "bot" (53300).'
  const { remote, storage } = stage
  const refuse = async (): Promise<never> => {
    throw new SentinelError('storage.unavailable', words)
  }
  const { put } = remote.values
  const { health } = remote
  remote.values.put = refuse
  remote.marks.scan = refuse
  for (let i = 0; i < 5; i++) {
    await expect((async () => storage.marks.scan(BOT, 'blocked'))()).rejects.toThrow('53300')
  }
  // A connection is free again when the probe writes, but was not when it asked for the health.
  remote.values.put = put
  remote.health = async () => ({ ...(await health()), ok: false })
  await stage.pass(2000)
  const mark = { since: 1 }
  await expect(
    (async () => storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark }]))(),
  ).rejects.toMatchObject({ cause: { message: words } })
})

test('a server that accepts no more connections (53300) advises to try again', async () => {
  stage.remote.marks.scan = async () => {
    throw new SentinelError('storage.unavailable', 'postgres: sorry, too many clients already (53300).')
  }
  await expect((async () => stage.storage.marks.scan(BOT, 'blocked'))()).rejects.toMatchObject({
    message: expect.stringMatching(/did not answer \(53300\).* Try again when health\(\)\.ok is true/),
  })
})
