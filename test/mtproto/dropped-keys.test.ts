import { authKeyId } from '../../src/mtproto/protocol/message.js'
import { MtprotoServer } from '../../src/telegram/mtproto/server.js'
import { createClock } from '../../src/telegram/world/clock.js'
import { World } from '../../src/telegram/world/world.js'
import { bind } from './binding.js'
import { RawClient } from './raw-client.js'

test('temporary keys are dropped when asked, but for those that are named, the one that asks, and those of others', async () => {
  const server = new MtprotoServer(new World(createClock('real')))
  await server.listen()
  const clients: RawClient[] = []
  const made = async (expiresIn?: number) => {
    const client = await RawClient.connect(server.port)
    clients.push(client)
    await client.shakeHands(server.key.pem, expiresIn === undefined ? {} : { expiresIn })
    return client
  }
  try {
    const [mine, others] = [await made(), await made()]
    const [asking, kept, dropped, foreign] = [
      await made(600),
      await made(600),
      await made(600),
      await made(600),
    ]
    for (const client of [asking, kept, dropped]) await bind(client, mine.authKey)
    await bind(foreign, others.authKey)
    const except_auth_keys = [BigInt.asIntN(64, authKeyId(kept.authKey))]
    expect(await asking.call({ _: 'auth.dropTempAuthKeys', except_auth_keys })).toMatchObject({ value: true })
    for (const client of [mine, asking, kept, foreign]) {
      expect(await client.call({ _: 'help.getConfig' })).toMatchObject({ _: 'config' })
    }
    dropped.send({ _: 'help.getConfig' })
    expect(await dropped.untilError()).toBe(-404)
  } finally {
    for (const client of clients) client.close()
    await server.close()
  }
})
