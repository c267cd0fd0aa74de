import { failure } from '../../../src/storage/postgres/failures.js'
import { explained, wordsOf } from '../../../src/storage/redis/failures.js'
import { reasonOf } from '../../../src/storage/resilient/reason.js'
import { failureOf } from '../../../src/storage/sqlite/link.js'

/* The reason is a label of metrics: a code, never a part of an address, a path or a name. */

test.each([
  ['53100', 'could not extend file "base/16384/16402": No space left on device'],
  ['XX001', 'could not read block 5 in file "base/16385/16999": read only 0 of 8192 bytes'],
  ['3D000', 'database "STAGE" does not exist'],
  ['57P01', 'terminating connection due to administrator command'],
  ['28000', 'no pg_hba.conf entry for host "10.0.0.1", user "99BOT", database "EXAMPLE"'],
  ['53300', 'too many connections for role "12345"'],
  ['58P01', 'could not open file of relation (16402).'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify the first certificate'],
  ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:54321'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tlsv13 alert certificate required'],
])('of an error of Postgres is its code: %s', (code, message) => {
  expect(reasonOf(failure(Object.assign(new Error(message), { code })))).toBe(code)
})

test.each([
  ['NOREPLICAS', 'NOREPLICAS Not enough good replicas to write.'],
  [
    'MISCONF',
    'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
  ],
  ['TRYAGAIN', 'Too many Cluster redirections. Last error: ReplyError: MOVED 3999 127.0.0.1:6381'],
  ['disconnected', 'None of startup nodes is available 127.0.0.1:16379'],
  ['disconnected', 'Command timed out'],
  ['disconnected', 'Failed to refresh slots cache.'],
  ['disconnected', "Cluster isn't ready and enableOfflineQueue options is false"],
  ['disconnected', 'All sentinels are unreachable and retry is disabled.'],
  ['disconnected', 'no node of the cluster is known'],
  ['disconnected', 'ERR max number of clients reached'],
  ['storage.failed', "ERR unknown command 'scan'"],
  ['disconnected', 'Too many Cluster redirections. Last error: Error: Connection is closed.'],
])('of an error of Redis is its code: %s', (code, message) => {
  expect(reasonOf(explained(wordsOf(new Error(message))))).toBe(code)
})

test('of an error of TLS under Redis is its code, even with digits', () => {
  const code = 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'
  const error = Object.assign(new Error('tlsv13 alert certificate required'), { code })
  expect(reasonOf(explained(wordsOf(error)))).toBe(code)
})

test('of an error of SQLite is its code, not a part of a path', () => {
  const error = Object.assign(new Error('disk I/O error in /srv/EXAMPLE/12345'), { code: 'SQLITE_IOERR' })
  expect(reasonOf(failureOf(error))).toBe('SQLITE_IOERR')
})

test('of a connection that was lost without a code is "disconnected"', () => {
  expect(reasonOf(failure(new Error('Connection terminated unexpectedly')))).toBe('disconnected')
})
