import { redis } from '../../../src/storage/redis/index.js'
import { startRedis } from '../../servers/redis.js'
import { ALICE, BOT } from './desk.js'

/* Some hosts rename commands, or remove them. */

test.each([
  ['EVALSHA', /^redis: ERR unknown command 'evalsha'. The storage needs this command/],
  ['INFO', /^redis: ERR unknown command 'info'. Pass options with enableReadyCheck: false/],
])('a server without %s is reported with the remedy, and without the arguments', async (command, message) => {
  const server = await startRedis({ config: [`rename-command ${command} ""`] })
  const storage = redis(server.url)
  try {
    const failing = (async () => storage.marks.get(BOT, ALICE, 'x'))()
    await expect(failing).rejects.toMatchObject({
      code: 'storage.failed',
      message: expect.stringMatching(message),
    })
    // The keys of a call contain ids of users.
    await expect(failing).rejects.not.toThrow(/args|sentinel:/)
  } finally {
    await storage.close()
    await server.stop()
  }
})

test('a server without INFO can be used with that option', async () => {
  const server = await startRedis({ config: ['rename-command INFO ""'] })
  const storage = redis({ host: '127.0.0.1', port: server.port, enableReadyCheck: false })
  try {
    expect(await storage.marks.get(BOT, ALICE, 'x')).toBeUndefined()
  } finally {
    await storage.close()
    await server.stop()
  }
})
