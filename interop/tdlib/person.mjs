import { deepEqual, equal, rejects } from 'node:assert/strict'
import { supergroupOf } from './bot.mjs'
import { botApi, messagesFor } from './bot-api.mjs'
import { exchangeFiles } from './files.mjs'
import { meetInGroups } from './groups.mjs'

const PHONE = '+491701234567'
const PASSWORD = 'correct horse battery staple'

/** A person with TDLib: a code, a second password, chats, and a talk with a bot of the Bot API. */
export async function asPerson(checks, { telegram, face, redirector, folder, open }) {
  const dora = telegram.createUser({ firstName: 'Dora', lastName: 'Example', username: 'dora' })
  const erin = telegram.createUser({ firstName: 'Erin' })
  const shop = telegram.createBot({ username: 'shop_bot' })
  const market = telegram.createGroup({ title: 'Market', owner: dora, admins: [shop] })
  await erin.in(market).joins()
  face.givePhone(dora, PHONE, PASSWORD)

  // At home in the other data centre, and with keys that change: as Telegram's apps are.
  face.move(dora, 2)
  const client = open('the person', { settings: ['use_pfs'] })
  await checks.that('a person logs in with a code and a second password', async () => {
    await client.ready
    await client.authorization('authorizationStateWaitPhoneNumber')
    await client.call({ _: 'setAuthenticationPhoneNumber', phone_number: PHONE })
    await client.authorization('authorizationStateWaitCode')
    const code = face.codeFor(PHONE)
    const wrong = code === '12345' ? '54321' : '12345'
    await rejects(client.call({ _: 'checkAuthenticationCode', code: wrong }), /PHONE_CODE_INVALID/)
    await client.call({ _: 'checkAuthenticationCode', code })
    await client.authorization('authorizationStateWaitPassword')
    const enter = (password) => client.call({ _: 'checkAuthenticationPassword', password })
    await rejects(enter('Tr0ub4dor&3'), /PASSWORD_HASH_INVALID/)
    await enter(PASSWORD)
    await client.authorization('authorizationStateReady')
    const me = await client.call({ _: 'getMe' })
    deepEqual([me.id, me.last_name, `+${me.phone_number}`], [dora.id, 'Example', PHONE])
  })
  await checks.that('it was sent home, and has bound keys that end', () => {
    // By now it has been told by help.getConfig where the others are.
    equal(redirector.wanted.has(`127.0.0.1:${face.addressOf(2).port}`), true)
    equal(face.calls('auth.bindTempAuthKey') >= 2, true)
  })

  await checks.that('its chats are loaded', async () => {
    await dora.to(shop).sends('/start')
    await client.loadAll()
    const { chat_ids } = await client.call({ _: 'getChats', chat_list: { _: 'chatListMain' }, limit: 100 })
    deepEqual(chat_ids.toSorted(), [market.id, shop.id].toSorted())
  })

  await checks.that('it sees who is in a group of its own', async () => {
    const { members } = await client.call({
      _: 'getSupergroupMembers',
      supergroup_id: supergroupOf(market),
      filter: { _: 'supergroupMembersFilterSearch', query: 'erin' },
      offset: 0,
      limit: 10,
    })
    deepEqual(
      members.map(({ member_id, joined_chat_date }) => [member_id.user_id, joined_chat_date > 0]),
      [[erin.id, true]],
    )
  })

  await checks.that('a bot of the Bot API gets what it writes, and is heard', async () => {
    await client.sends(shop.id, 'two apples')
    await client.sends(market.id, 'three pears')
    const messages = await messagesFor(telegram, shop)
    deepEqual(
      messages.filter(({ from }) => from.id === dora.id).map(({ chat, text }) => [chat.id, text]),
      [
        [dora.id, '/start'],
        [dora.id, 'two apples'],
        [market.id, 'three pears'],
      ],
    )
    await botApi(telegram, shop, 'sendMessage', { chat_id: dora.id, text: 'Here you are' })
    const isIt = ({ _, message }) => _ === 'updateNewMessage' && message.content.text?.text === 'Here you are'
    const { message } = await client.update(isIt, 'the answer')
    deepEqual([message.chat_id, message.sender_id.user_id, message.is_outgoing], [shop.id, shop.id, false])
  })

  await checks.that('its history is there', async () => {
    const texts = await client.history(shop.id)
    deepEqual(texts, ['Here you are', 'two apples', '/start'])
  })

  await checks.that('what comes while it is cut off comes once, in order', async () => {
    const seen = client.updates.length
    redirector.open(false)
    face.cut()
    const texts = Array.from({ length: 10 }, (_, n) => `missed ${n}`)
    for (const text of texts) await botApi(telegram, shop, 'sendMessage', { chat_id: dora.id, text })
    await erin.in(market).sends('missed in the market')
    redirector.open(true)
    const isLast = ({ _, message }) => _ === 'updateNewMessage' && message.content.text?.text === texts.at(-1)
    await client.update(isLast, 'the last message', seen)
    const isThere = ({ _, message }) => _ === 'updateNewMessage' && message.chat_id === market.id
    await client.update(isThere, 'the message in the group', seen)
    deepEqual(client.texts(shop.id, seen), texts)
    deepEqual(client.texts(market.id, seen), ['missed in the market'])
  })

  await checks.that('what was missed for too long is read from the history', async () => {
    const seen = client.updates.length
    face.deliverBy(() => undefined)
    // More than TDLib asks for at once: a hundred.
    const lost = Array.from({ length: 120 }, (_, n) => `long ago ${n}`)
    for (const text of lost) await erin.in(market).sends(text)
    face.forget(market)
    face.deliverBy((send) => send())
    await erin.in(market).sends('still here')
    const isLast = ({ _, chat_id, last_message }) =>
      _ === 'updateChatLastMessage' &&
      chat_id === market.id &&
      last_message?.content.text?.text === 'still here'
    await client.update(isLast, 'the last message of the group', seen)
    await erin.in(market).sends('and on')
    const isNext = ({ _, message }) => _ === 'updateNewMessage' && message.content.text?.text === 'and on'
    await client.update(isNext, 'the message after it', seen)
    const texts = await client.history(market.id)
    deepEqual(texts.toReversed().slice(-122), [...lost, 'still here', 'and on'])
  })

  await meetInGroups(checks, { telegram, client, person: dora, other: erin, bot: shop, supergroup: market })
  await exchangeFiles(checks, { telegram, client, person: dora, bot: shop, folder })

  await checks.that('it logs out', async () => {
    await client.call({ _: 'logOut' })
    await client.authorization('authorizationStateClosed')
    equal(face.calls('auth.logOut'), 1)
  })
}
