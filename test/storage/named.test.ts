import { createServer } from 'node:net'
import { expect, test } from '@jest/globals'
import { combine, failover, hybrid, memory, type Storage, sentinel } from '../../src/index.js'
import { postgres } from '../../src/storage/postgres/index.js'
import { redis } from '../../src/storage/redis/index.js'

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise((done) => server.close(done))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** The name by which a storage is reported that could not be reached even once. */
async function calledWhenDown(storage: Storage): Promise<string> {
  const guard = sentinel({ storage })
  const down = new Promise<string>((done) => {
    guard.on('storage.down', ({ kind }) => done(kind))
    guard.on('error', () => undefined)
  })
  const told = await down
  await guard.close().catch(() => undefined)
  await Promise.resolve(storage.close()).catch(() => undefined)
  return told
}

test('a storage that was never reached is reported by its name', async () => {
  const port = await freePort()
  expect(await calledWhenDown(redis(`redis://127.0.0.1:${port}`))).toBe('redis')
  expect(await calledWhenDown(postgres(`postgres://bot@127.0.0.1:${port}/bot`))).toBe('postgres')
  expect(await calledWhenDown(hybrid(redis(`redis://127.0.0.1:${port}`)))).toBe('redis')
})

test('storages made of others are called after them', async () => {
  const [one, other] = [redis('redis://127.0.0.1:1'), redis('redis://127.0.0.1:2')]
  const two = failover([one, other])
  expect(two.kind).toBe('failover')
  const combined = combine({ durable: postgres('postgres://bot@127.0.0.1:1/bot'), volatile: memory() })
  expect(combined.kind).toBe('postgres+memory')
  await Promise.allSettled([two.close(), one.close(), other.close(), combined.close()])
})
