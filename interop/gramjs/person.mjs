import gramjs from 'telegram'
import { newClient } from './client.mjs'
import { until } from './waiting.mjs'

const { Api } = gramjs

/** People over WebSocket: with a code, with a second password, and talking to a bot of the Bot API. */
export async function asPerson(checks, { telegram, face, assert }) {
  const account = telegram.createBot({ username: 'echo_bot' })
  const alice = telegram.createUser({ firstName: 'Carol', username: 'carol' })
  const dave = telegram.createUser({ firstName: 'Dave' })
  face.givePhone(alice, '+49170111')
  face.givePhone(dave, '+49170222', 'correct horse')
  const call = (method, body) =>
    fetch(`${telegram.apiRoot}/bot${account.token}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then((answer) => answer.json())
  const client = newClient(face.address, { way: 'ws' })
  const updates = []
  client.addEventHandler((update) => updates.push(update))
  try {
    await checks.that('a person logs in with a code, over WebSocket', async () => {
      await client.start(login(face, '+49170111'))
      const me = await client.getMe()
      assert.equal(me.firstName, 'Carol')
    })
    await checks.that('a bot of the Bot API gets what she writes', async () => {
      await client.sendMessage('echo_bot', { message: 'hello bot' })
      const { result } = await call('getUpdates', { timeout: 10, allowed_updates: ['message'] })
      const { message } = result.find((update) => update.message?.text === 'hello bot')
      assert.equal(message.from.id, alice.id)
    })
    await checks.that('what the bot answers comes at once, with its buttons', async () => {
      const reply_markup = {
        inline_keyboard: [
          [
            { text: 'Tap', callback_data: 'tapped' },
            { text: 'Look', url: 'https://example.com/' },
          ],
        ],
      }
      await call('sendMessage', { chat_id: alice.id, text: 'hello person', reply_markup })
      const { message } = await until(updates, (update) => update.message?.message === 'hello person')
      const { rows } = message.replyMarkup
      assert.deepEqual(
        rows[0].buttons.map((button) => [button.className, button.text]),
        [
          ['KeyboardButtonCallback', 'Tap'],
          ['KeyboardButtonUrl', 'Look'],
        ],
      )
    })
    await checks.that('she sees her dialogs and history', async () => {
      const dialogs = await client.getDialogs({})
      assert.deepEqual(
        Array.from(dialogs, ({ entity }) => entity.username),
        ['echo_bot'],
      )
      const messages = await client.getMessages('echo_bot', { limit: 10 })
      assert.deepEqual(
        Array.from(messages, ({ message }) => message),
        ['hello person', 'hello bot'],
      )
    })
    await checks.that('a session goes on where it was left off', async () => {
      const again = newClient(face.address, { session: client.session.save() })
      try {
        await again.connect()
        assert.equal((await again.getMe()).firstName, 'Carol')
      } finally {
        await again.destroy()
      }
    })
  } finally {
    await client.destroy()
  }
  const other = newClient(face.address)
  try {
    await checks.that('a second password is asked for and proven', async () => {
      await other.start({ ...login(face, '+49170222'), password: async () => 'correct horse' })
      assert.equal((await other.getMe()).firstName, 'Dave')
    })
    await checks.that('who logs out is out', async () => {
      await other.invoke(new Api.auth.LogOut())
      await assert.rejects(other.invoke(new Api.updates.GetState()), {
        errorMessage: 'AUTH_KEY_UNREGISTERED',
      })
    })
  } finally {
    await other.destroy()
  }
}

function login(face, phone) {
  return {
    phoneNumber: async () => phone,
    phoneCode: async () => face.codeFor(phone),
    onError: (error) => {
      throw error
    },
  }
}
