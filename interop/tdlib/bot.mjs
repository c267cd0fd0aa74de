import { deepEqual, equal, rejects } from 'node:assert/strict'

/** The number MTProto has for a supergroup of the Bot API. */
export const supergroupOf = (group) => -group.id - 1_000_000_000_000

/** A bot of TDLib: it logs in by its token, lists members, and misses nothing. */
export async function asBot(checks, { telegram, face, redirector, open }) {
  const started = Math.floor(Date.now() / 1000)
  const [alice, bob, carol] = ['Alice', 'Bob', 'Carol'].map((firstName) => telegram.createUser({ firstName }))
  const account = telegram.createBot({ username: 'watcher_bot' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
  await bob.in(plaza).joins()
  await alice.in(plaza).adds(carol)

  const client = open('the bot')
  await checks.that('a bot logs in by its token', async () => {
    await client.ready
    await client.authorization('authorizationStateWaitPhoneNumber')
    const logIn = (token) => client.call({ _: 'checkAuthenticationBotToken', token })
    await rejects(logIn(`${account.id}:${'x'.repeat(35)}`), /ACCESS_TOKEN_INVALID/)
    await logIn(account.token)
    await client.authorization('authorizationStateReady')
    const me = await client.call({ _: 'getMe' })
    deepEqual(
      [me.id, me.first_name, me.usernames.editable_username, me.type._],
      [account.id, 'watcher_bot', 'watcher_bot', 'userTypeBot'],
    )
  })
  const says =
    (text) =>
    ({ _, message }) =>
      _ === 'updateNewMessage' && message.content.text?.text === text
  await checks.that('a live update comes', async () => {
    await bob.in(plaza).sends('good morning')
    const { message } = await client.update(says('good morning'), 'the message')
    deepEqual([message.chat_id, message.sender_id.user_id], [plaza.id, bob.id])
  })

  await checks.that('members come with the dates they joined', async () => {
    const { members, total_count } = await client.call({
      _: 'getSupergroupMembers',
      supergroup_id: supergroupOf(plaza),
      filter: { _: 'supergroupMembersFilterRecent' },
      offset: 0,
      limit: 200,
    })
    const told = new Map(members.map((member) => [member.member_id.user_id, member]))
    deepEqual([total_count, told.size], [4, 4])
    equal(told.get(alice.id).status._, 'chatMemberStatusCreator')
    equal(told.get(account.id).status._, 'chatMemberStatusAdministrator')
    for (const who of [bob, carol, account]) {
      const { joined_chat_date: date, status } = told.get(who.id)
      if (date < started || date > Date.now() / 1000) throw new Error(`${status._} joined at ${date}`)
    }
  })

  await checks.that('administrators come apart', async () => {
    const { administrators } = await client.call({ _: 'getChatAdministrators', chat_id: plaza.id })
    deepEqual(
      administrators.map(({ user_id, is_owner }) => [user_id, is_owner]).toSorted(([a], [b]) => a - b),
      [
        [alice.id, true],
        [account.id, false],
      ],
    )
  })

  await checks.that('what comes while it is cut off comes once, in order', async () => {
    redirector.open(false)
    face.cut()
    const texts = Array.from({ length: 20 }, (_, n) => `while away ${n}`)
    for (const text of texts) await bob.in(plaza).sends(text)
    await alice.to(account).sends('/start')
    redirector.open(true)
    await client.update(says(texts.at(-1)), 'the last message')
    await client.update(says('/start'), 'the private message')
    await bob.in(plaza).sends('here again')
    await client.update(says('here again'), 'what came after')
    deepEqual(client.texts(plaza.id), ['good morning', ...texts, 'here again'])
    deepEqual(client.texts(alice.id), ['/start'])
  })

  await checks.that('what was lost on the way is asked for', async () => {
    const before = face.calls('updates.getChannelDifference')
    face.deliverBy(() => undefined)
    for (let n = 0; n < 5; n++) await bob.in(plaza).sends(`lost ${n}`)
    await alice.to(account).sends('lost in private')
    face.deliverBy((send) => send())
    await bob.in(plaza).sends('found')
    await alice.to(account).sends('found in private')
    await client.update(says('found'), 'the message after the gap')
    await client.update(says('found in private'), 'the private message after the gap')
    deepEqual(client.texts(plaza.id).slice(-6), ['lost 0', 'lost 1', 'lost 2', 'lost 3', 'lost 4', 'found'])
    deepEqual(client.texts(alice.id).slice(-2), ['lost in private', 'found in private'])
    equal(face.calls('updates.getChannelDifference') > before, true)
  })

  await checks.that('what is edited and deleted is told', async () => {
    const sent = await bob.in(plaza).sends('teh message')
    const { message } = await client.update(says('teh message'), 'the message')
    await bob.in(plaza).edits(sent, 'the message')
    const isEdited = ({ _, message_id, new_content }) =>
      _ === 'updateMessageContent' && message_id === message.id && new_content.text.text === 'the message'
    await client.update(isEdited, 'the edited message')
    await client.call({ _: 'deleteMessages', chat_id: plaza.id, message_ids: [message.id], revoke: true })
    equal(
      plaza.messages.some(({ message_id }) => message_id === sent.message_id),
      false,
    )
  })

  const bots = async () => {
    const { members } = await client.call({
      _: 'getSupergroupMembers',
      supergroup_id: supergroupOf(plaza),
      filter: { _: 'supergroupMembersFilterBots' },
      offset: 0,
      limit: 10,
    })
    return members.map(({ member_id }) => member_id.user_id)
  }
  await checks.that('it waits as long as it is told, and gives up where that is too long', async () => {
    face.fail('channels.getParticipants', 420, 'FLOOD_WAIT_1')
    const [before, start] = [face.calls('channels.getParticipants'), performance.now()]
    deepEqual(await bots(), [account.id])
    equal(face.calls('channels.getParticipants') - before, 2)
    equal(performance.now() - start >= 1000, true)
    face.fail('channels.getParticipants', 420, 'FLOOD_WAIT_600')
    await rejects(bots(), /retry after 600/)
  })

  await checks.that('it goes on after all salts have changed', async () => {
    face.rotateSalts()
    deepEqual(await bots(), [account.id])
  })

  await checks.that('what it writes is read by people', async () => {
    const hearing = alice.hears('a word from TDLib')
    await client.sends(alice.id, 'a word from TDLib')
    equal((await hearing).from.id, account.id)
  })
}
