import { MtprotoServer } from '../../src/telegram/mtproto/server.js'
import { createClock } from '../../src/telegram/world/clock.js'
import { World } from '../../src/telegram/world/world.js'
import { RawClient } from './raw-client.js'

let server: MtprotoServer
let client: RawClient

beforeEach(async () => {
  server = new MtprotoServer(new World(createClock('real')))
  await server.listen()
  client = await RawClient.connect(server.port)
  await client.shakeHands(server.key.pem)
})

afterEach(async () => {
  client.close()
  await server.close()
})

const begun = () => client.came.filter(({ object }) => object._ === 'mt_new_session_created')

test('a new session is told of once', async () => {
  await client.call({ _: 'help.getConfig' })
  await client.call({ _: 'help.getNearestDc' })
  expect(begun()).toHaveLength(1)
})

test('a session that begins with a container begins with the first message in it', async () => {
  const { ids } = client.sendContainer([{ _: 'help.getConfig' }, { _: 'help.getNearestDc' }])
  await client.until(({ answers }) => answers === ids[1])
  expect(begun().map(({ object }) => object.first_msg_id)).toEqual([ids[0]])
})
