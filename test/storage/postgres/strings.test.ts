import { Client } from 'pg'
import { postgres } from '../../../src/storage/postgres/index.js'

/* Connection strings: those that pg reads as they were meant, and others, which are refused at once. */

test.each([
  'postgres://bot@localhost/shop',
  'postgresql://bot:secret@localhost:5432/shop?sslmode=no-verify',
  'POSTGRES://bot@localhost/shop',
  'postgres:///shop',
  'postgres://localhost:5432/shop?user=bot@tenant',
  'postgres://bot:secret@/shop?host=/var/run/postgresql',
  'postgres://bot@%2Fvar%2Frun%2Fpostgresql/shop',
  'postgres://bot:s%23cret@[::1]:5432/shop',
  'postgres://bot:50%@localhost/my shop',
  'socket:/var/run/postgresql?db=shop',
  '/var/run/postgresql shop',
  'pg://bot@localhost/shop',
  'pgsql://bot@localhost/shop',
  'postgis://bot@localhost/shop',
  'cockroachdb://root@localhost:26257/defaultdb',
  'tcp://bot@localhost/shop',
  '\npostgres://bot@localhost/shop\n',
])('accepts %s', async (text) => {
  expect(() => new Client(text)).not.toThrow()
  for (const storage of [postgres(text), postgres('postgres://bot@localhost/shop', { listen: text })]) {
    await storage.close()
  }
})

test.each([
  ['the words of libpq', 'host=127.0.0.1 port=5432 user=bot dbname=shop password=secret'],
  ['several hosts', 'postgres://bot:secret@one:5432,two:5432/shop'],
  ['several hosts without ports', 'postgres://bot:secret@one,two/shop'],
  ['a password that is not encoded', 'postgres://bot:sec#ret@localhost/shop'],
  ['a password of digits that is not encoded (#)', 'postgres://bot:123#secret@localhost/shop'],
  ['a password of digits that is not encoded (/)', 'postgres://bot:123/secret@localhost/shop'],
  ['a password of digits that is not encoded (?)', 'postgres://bot:123?secret@localhost/shop'],
  ['several hosts as a parameter', 'postgres://bot:secret@/shop?host=one,two'],
  ['a name without slashes', 'postgres:secret'],
  ['a host without slashes', 'postgres:bot:secret@localhost/shop'],
  ['a password that is wrongly encoded', 'postgres://bot:secret%ff@localhost/shop'],
  ['another database', 'mysql://bot:secret@localhost/shop'],
  ['a host alone', 'localhost/shop?password=secret'],
])('refuses %s, without showing the password', (_, text) => {
  const refused = (option: string): unknown =>
    expect.objectContaining({
      code: 'option.invalid',
      message: expect.stringMatching(
        new RegExp(`^${option}: (?!.*(secret|sec#)).*postgres://user:password@host.*percent-encode`),
      ),
    })
  expect(() => postgres(text)).toThrow(refused('postgres') as Error)
  expect(() => postgres('postgres://bot@localhost/shop', { listen: text })).toThrow(
    refused('postgres.listen') as Error,
  )
})
