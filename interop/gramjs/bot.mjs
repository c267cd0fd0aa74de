import gramjs from 'telegram'
import { LAYER } from 'telegram/tl/AllTLObjects.js'
import { newClient } from './client.mjs'
import { until } from './waiting.mjs'

const { Api } = gramjs

/** A bot over TCP: handshake, configuration, login, members, and messages both ways. */
export async function asBot(checks, { telegram, face, assert }) {
  const account = telegram.createBot({ username: 'gram_bot' })
  const alice = telegram.createUser({ firstName: 'Alice', username: 'alice', isPremium: true })
  const bob = telegram.createUser({ firstName: 'Bob' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
  const client = newClient(face.address)
  const updates = []
  client.addEventHandler((update) => updates.push(update))
  try {
    await checks.that(`layer ${LAYER} exchanges a key over TCP`, () => client.connect())
    await checks.that('the configuration is read', async () => {
      const config = await client.invoke(new Api.help.GetConfig())
      assert.equal(config.thisDc, face.address.dc)
      assert.deepEqual(
        config.dcOptions.map(({ id, port }) => [id, port]),
        [[face.address.dc, face.address.port]],
      )
    })
    await checks.that('a wrong token is refused', () =>
      assert.rejects(
        client.invoke(
          new Api.auth.ImportBotAuthorization({ flags: 0, apiId: 1, apiHash: 'x', botAuthToken: '1:no' }),
        ),
        { errorMessage: 'ACCESS_TOKEN_INVALID' },
      ),
    )
    await checks.that('a bot logs in', async () => {
      await client.start({ botAuthToken: account.token, onError: fail })
      const me = await client.getMe()
      assert.equal(me.username, 'gram_bot')
      assert.equal(Number(me.id), account.id)
    })
    await checks.that('a name is resolved', async () => {
      const found = await client.getEntity('plaza')
      assert.equal(found.className, 'Channel')
      assert.equal(found.title, 'Plaza')
    })
    await checks.that('members come with what they are and when they joined', async () => {
      const before = Math.floor(Date.now() / 1000) - 1
      await bob.in(plaza).joins()
      const members = await client.getParticipants('plaza')
      const joined = members.find(({ firstName }) => firstName === 'Bob')
      assert.equal(joined.participant.className, 'ChannelParticipant')
      assert.ok(joined.participant.date >= before)
      const owner = members.find(({ firstName }) => firstName === 'Alice')
      assert.equal(owner.premium, true)
      assert.equal(owner.participant.className, 'ChannelParticipantCreator')
    })
    await checks.that('what somebody writes comes at once', async () => {
      await bob.in(plaza).sends('hello, *all*')
      const { message } = await until(
        updates,
        (update) =>
          update.className === 'UpdateNewChannelMessage' && update.message.message === 'hello, *all*',
      )
      assert.equal(Number(message.fromId.userId), bob.id)
    })
    await checks.that('a message with buttons is read and sent', async () => {
      await alice.to(account).sends('/start')
      await until(
        updates,
        (update) => update.className === 'UpdateNewMessage' && update.message.message === '/start',
      )
      const heard = alice.hears('a word')
      await client.sendMessage('alice', { message: 'a word' })
      assert.equal((await heard).text, 'a word')
    })
    // GramJS begins a new session then, and never asks for what it has missed.
    await checks.that('a cut connection is made again, and updates come over it', async () => {
      face.cut()
      await client.invoke(new Api.updates.GetState())
      await bob.in(plaza).sends('once more')
      await until(updates, ({ message }) => message?.message === 'once more')
    })
    await checks.that('what nobody serves is refused by name', () =>
      assert.rejects(client.invoke(new Api.help.GetSupport()), {
        errorMessage: 'METHOD_NOT_IMPLEMENTED: help.getSupport',
      }),
    )
  } finally {
    await client.destroy()
  }
}

function fail(error) {
  throw error
}
