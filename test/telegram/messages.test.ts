import { InlineKeyboard, InputFile, InputMediaBuilder } from 'grammy'
import { caller, refusalOf, updatesOf } from './calling.js'
import { alice, api, bot, call, group, telegram, usePlaza } from './plaza.js'

usePlaza('message_bot')

test('invalid texts are refused in the words of Telegram', async () => {
  const html = (text: string) => api.sendMessage(group.id, text, { parse_mode: 'HTML' })
  expect(await refusalOf(api.sendMessage(group.id, '  \n '))).toBe('Bad Request: message text is empty')
  expect(await refusalOf(api.sendMessage(group.id, 'x'.repeat(4097)))).toBe(
    'Bad Request: message is too long',
  )
  expect(await refusalOf(api.sendMessage(404, 'hi'))).toBe('Bad Request: chat not found')
  expect(await refusalOf(html('<b>bold'))).toBe(
    'Bad Request: can\'t parse entities: Can\'t find end tag corresponding to start tag "b"',
  )
  expect(await refusalOf(html('é <b>bold</i>'))).toBe(
    'Bad Request: can\'t parse entities: Unmatched end tag at byte offset 10, expected "</b>", found "</i>"',
  )
  expect(await refusalOf(html('<blink>x</blink>'))).toBe(
    'Bad Request: can\'t parse entities: Unsupported start tag "blink" at byte offset 0',
  )
  expect(await refusalOf(html('a < b'))).toBe(
    'Bad Request: can\'t parse entities: Unsupported start tag "" at byte offset 2',
  )
  expect(await refusalOf(html('x</b>'))).toMatch(/Unexpected end tag at byte offset 1/)
})

test('HTML is converted into text and entities', async () => {
  const sent = await api.sendMessage(
    group.id,
    ' <b>Hi <i>you</i></b> &amp; <a href="https://example.com">there</a> &#128512; <code>&lt;x&gt;</code> /help ',
    { parse_mode: 'html' as 'HTML' },
  )
  expect(sent.text).toBe('Hi you & there 😀 <x> /help')
  expect(sent.entities).toEqual([
    { type: 'bold', offset: 0, length: 3 },
    { type: 'bold', offset: 3, length: 3 },
    { type: 'italic', offset: 3, length: 3 },
    { type: 'text_link', offset: 9, length: 5, url: 'https://example.com/' },
    { type: 'code', offset: 18, length: 3 },
    { type: 'bot_command', offset: 22, length: 5 },
  ])
})

test('messages in private chats can have an effect, which copies and forwards do not keep', async () => {
  const effect = { message_effect_id: '5104841245755180586' }
  await alice.to(bot).sends('/start')
  const sent = await api.sendMessage(alice.id, 'hi', effect)
  expect(sent.effect_id).toBe(effect.message_effect_id)
  expect(await api.sendDice(alice.id, '🎲', effect)).toHaveProperty('effect_id')
  expect(await api.forwardMessage(alice.id, alice.id, sent.message_id)).not.toHaveProperty('effect_id')
  for (const none of ['0', 'fire'])
    expect(await api.sendMessage(alice.id, 'hi', { message_effect_id: none })).not.toHaveProperty('effect_id')
  expect(await api.sendMessage(alice.id, 'hi', { message_effect_id: '12abc' })).toHaveProperty(
    'effect_id',
    '12',
  )
  expect(await refusalOf(api.sendMessage(group.id, 'hi', effect))).toBe(
    "Bad Request: can't use message effects in the chat",
  )
  expect(await refusalOf(api.sendMessage(alice.id, 'hi', { message_effect_id: '-1' }))).toBe(
    'Bad Request: EFFECT_ID_INVALID',
  )
})

test('a reply contains the replied-to message, but not what that one replies to', async () => {
  const first = await alice.in(group).sends('one')
  const second = await alice.in(group).replies(first, 'two')
  const third = await api.sendMessage(group.id, 'three', {
    reply_parameters: { message_id: second.message_id },
  })
  expect(third.reply_to_message).toMatchObject({ text: 'two' })
  expect(third.reply_to_message).not.toHaveProperty('reply_to_message')
  const missing = { message_id: 404 }
  expect(await refusalOf(api.sendMessage(group.id, 'x', { reply_parameters: missing }))).toBe(
    'Bad Request: message to be replied not found',
  )
  await api.sendMessage(group.id, 'x', {
    reply_parameters: { ...missing, allow_sending_without_reply: true },
  })
})

test('only its receiver sees an ephemeral message', async () => {
  const bob = telegram.createUser({ firstName: 'Bob' })
  await bob.in(group).joins()
  const sent = await api.sendMessage(group.id, 'Only for you', {
    ephemeral_message_parameters: { receiver_user_id: bob.id },
    reply_markup: new InlineKeyboard().text('OK', 'ok'),
  })
  expect(sent).toMatchObject({ message_id: 0, ephemeral_message_id: 1, receiver_user: { id: bob.id } })
  const heard = await bob.hears('Only for you')
  expect(alice.heard.map((message) => message.text)).not.toContain('Only for you')
  await bob.in(group).taps(heard, 'OK')
  await expect(alice.in(group).taps(heard, 'OK')).rejects.toThrow(/cannot see it/)
  await api.editEphemeralMessageText(group.id, bob.id, 1, 'Still only for you')
  await bob.hears('Still only')
  expect(await refusalOf(api.deleteEphemeralMessage(group.id, alice.id, 1))).toBe(
    'Bad Request: message to delete not found',
  )
  await api.deleteEphemeralMessage(group.id, bob.id, 1)
  expect(bob.heard.filter((message) => message.ephemeral_message_id !== undefined)).toEqual([])
})

test('bots can edit their own messages, but only to something new', async () => {
  const sent = await api.sendMessage(group.id, 'one', { reply_markup: new InlineKeyboard().text('A', 'a') })
  const edited = await api.editMessageText(group.id, sent.message_id, 'two')
  expect(edited).toMatchObject({ text: 'two', edit_date: expect.any(Number) })
  expect(edited).not.toHaveProperty('reply_markup')
  expect(await refusalOf(api.editMessageText(group.id, sent.message_id, 'two'))).toMatch(
    /^Bad Request: message is not modified: /,
  )
  const theirs = await alice.in(group).sends('mine')
  expect(await refusalOf(api.editMessageText(group.id, theirs.message_id, 'x'))).toBe(
    "Bad Request: message can't be edited",
  )
  expect(await refusalOf(api.editMessageText(group.id, 404, 'x'))).toBe(
    'Bad Request: message to edit not found',
  )
  await api.editMessageReplyMarkup(group.id, sent.message_id, {
    reply_markup: new InlineKeyboard().text('B', 'b'),
  })
  await expect(alice.in(group).taps(sent, 'A')).rejects.toThrow(/Buttons with callback data: "B"/)
})

test('a bot can delete recent messages, with the right to', async () => {
  const one = await alice.in(group).sends('one')
  const two = await alice.in(group).sends('two')
  await api.deleteMessage(group.id, one.message_id)
  expect(await refusalOf(api.deleteMessage(group.id, one.message_id))).toBe(
    'Bad Request: message to delete not found',
  )
  await api.deleteMessages(group.id, [one.message_id, two.message_id])
  expect(group.messages).toEqual([])
  const old = await alice.in(group).sends('old')
  telegram.clock.advance('48h')
  expect(await refusalOf(api.deleteMessage(group.id, old.message_id))).toBe(
    "Bad Request: message can't be deleted",
  )
  await alice.in(group).demotes(bot)
  const fresh = await alice.in(group).sends('fresh')
  expect(await refusalOf(api.deleteMessage(group.id, fresh.message_id))).toBe(
    "Bad Request: message can't be deleted",
  )
})

test('uploads with the same content have the same unique id', async () => {
  await alice.to(bot).sends('/start')
  const picture = Buffer.from([0, 1, 2, 13, 10, 45, 45, 255])
  const one = await api.sendPhoto(alice.id, new InputFile(picture, 'one "1".jpg'), { caption: 'Look' })
  const two = await api.sendPhoto(alice.id, new InputFile(picture, 'two.jpg'))
  expect(one).toMatchObject({ caption: 'Look', photo: [{}, {}, { file_size: 8 }] })
  expect(two.photo.at(-1)?.file_unique_id).toBe(one.photo.at(-1)?.file_unique_id)
  const again = await api.sendPhoto(alice.id, one.photo[0]!.file_id)
  expect(again.photo).toEqual(one.photo)
  const paper = await api.sendDocument(alice.id, new InputFile(Buffer.from('text'), 'paper.txt'))
  expect(paper.document).toMatchObject({ file_name: 'paper.txt', file_size: 4 })
  const file = await api.getFile(one.photo.at(-1)!.file_id)
  const response = await fetch(`${telegram.apiRoot}/file/bot${bot.token}/${file.file_path}`)
  expect(Buffer.from(await response.arrayBuffer())).toEqual(picture)
  expect(await refusalOf(api.sendPhoto(alice.id, 'nonsense'))).toMatch(/wrong file identifier/)
  expect(telegram.calls('sendDocument')[0]?.params).toMatchObject({ chat_id: alice.id })
})

test('an album has one media_group_id, from people and from bots', async () => {
  const theirs = await alice.in(group).sendsAlbum(['one.jpg', 'two.jpg'], { caption: 'Holiday' })
  expect(new Set(theirs.map((message) => message.media_group_id)).size).toBe(1)
  expect(theirs.map((message) => message.caption)).toEqual(['Holiday', undefined])
  expect(await updatesOf(caller(telegram.apiRoot, bot))).toHaveLength(2)
  const own = await api.sendMediaGroup(group.id, [
    InputMediaBuilder.photo(new InputFile(Buffer.from('1'), '1.jpg'), { caption: 'Hi' }),
    InputMediaBuilder.photo(theirs[0]!.photo![0]!.file_id),
  ])
  expect(own).toMatchObject([
    { caption: 'Hi', photo: [{}, {}, { file_size: 1 }] },
    { photo: theirs[0]!.photo },
  ])
  const albums = group.messages.map((message) => message.media_group_id)
  expect(new Set(albums).size).toBe(2)
  expect(albums.slice(0, 2)).not.toContain(albums[2])
})

test('commands are stored per scope and language', async () => {
  await api.setMyCommands([{ command: 'help', description: 'Helps' }])
  await api.setMyCommands([{ command: 'ban', description: 'Bans' }], {
    scope: { type: 'all_chat_administrators' },
  })
  expect(await api.getMyCommands()).toEqual([{ command: 'help', description: 'Helps' }])
  expect(await api.getMyCommands({ scope: { type: 'all_chat_administrators' } })).toMatchObject([
    { command: 'ban' },
  ])
  await api.deleteMyCommands()
  expect(await api.getMyCommands()).toEqual([])
  expect(await refusalOf(api.setMyCommands([{ command: 'Bad Name', description: 'x' }]))).toBe(
    'Bad Request: BOT_COMMAND_INVALID',
  )
})

test('language codes of commands have two letters, and the bot must be in the chat of the scope', async () => {
  const commands = [{ command: 'help', description: 'Helps' }]
  for (const language of ['zh-hans', 'pt-br', 'EN', 'english'])
    for (const refused of [
      call('setMyCommands', { commands, language_code: language }),
      call('getMyCommands', { language_code: language }),
      call('deleteMyCommands', { language_code: language }),
    ])
      expect((await refused).description).toBe('Bad Request: invalid language code specified')
  const at = (scope: Record<string, unknown>) => call('setMyCommands', { commands, scope })
  expect((await at({ type: 'chat', chat_id: -100424242 })).description).toBe('Bad Request: chat not found')
  const elsewhere = telegram.createGroup({ title: 'Elsewhere', owner: alice, username: 'elsewhere' })
  expect((await at({ type: 'chat_administrators', chat_id: elsewhere.id })).description).toBe(
    'Forbidden: bot is not a member of the supergroup chat',
  )
  await alice.in(elsewhere).adds(bot)
  expect(await at({ type: 'chat', chat_id: '@elsewhere' })).toMatchObject({ ok: true })
  expect(await api.getMyCommands({ scope: { type: 'chat', chat_id: elsewhere.id } })).toEqual(commands)
})

test('old names of chat actions are accepted, in any case', async () => {
  for (const action of ['typing', 'TYPING', 'record_audio', 'upload_audio', 'cancel', 'pick_up_location'])
    expect((await call('sendChatAction', { chat_id: group.id, action })).ok).toBe(true)
  expect((await call('sendChatAction', { chat_id: group.id, action: 'sing' })).description).toBe(
    'Bad Request: wrong parameter action in request',
  )
})

test('a dice in a private chat can be deleted only after a day', async () => {
  await alice.to(bot).sends('/start')
  const thrown = await api.sendDice(alice.id, '🎲')
  const stays = "Bad Request: message can't be deleted for everyone"
  expect(await refusalOf(api.deleteMessage(alice.id, thrown.message_id))).toBe(stays)
  expect(await refusalOf(api.deleteMessages(alice.id, [thrown.message_id]))).toBe(stays)
  telegram.clock.advance('24h')
  await api.deleteMessage(alice.id, thrown.message_id)
  const inGroup = await api.sendDice(group.id, '🎲')
  await api.deleteMessage(group.id, inGroup.message_id)
})

test('a live location lasts from a minute to a day, or forever', async () => {
  const at = (more: object) => api.sendLocation(group.id, 1, 2, more)
  expect(await refusalOf(at({ live_period: 5 }))).toBe('Bad Request: wrong live location period specified')
  expect(await refusalOf(at({ live_period: 86_401 }))).toMatch(/period specified/)
  expect(await refusalOf(at({ live_period: 60, heading: 361 }))).toBe(
    'Bad Request: wrong live location heading specified',
  )
  expect(await refusalOf(at({ live_period: 60, proximity_alert_radius: 100_001 }))).toMatch(/alert radius/)
  expect((await at({ heading: 999, horizontal_accuracy: 2000 })).location).toEqual({
    latitude: 1,
    longitude: 2,
    horizontal_accuracy: 1500,
  })
  const { message_id, location } = await at({ live_period: 0x7fffffff, heading: 90 })
  expect(location).toMatchObject({ live_period: 0x7fffffff, heading: 90 })
  const turned = await api.editMessageLiveLocation(group.id, message_id, 3, 4, { heading: 180 })
  expect(turned).toMatchObject({ location: { latitude: 3, heading: 180, live_period: 0x7fffffff } })
  expect(await refusalOf(api.editMessageLiveLocation(group.id, message_id, 3, 4, { heading: 999 }))).toMatch(
    /heading specified$/,
  )
})

test('without a game, answering a tap can open only links to the bot itself', async () => {
  const reply_markup = new InlineKeyboard().text('Open', 'open')
  const offer = await api.sendMessage(group.id, 'Well?', { reply_markup })
  const answered = async (url: string) => {
    const { query } = await alice.in(group).taps(offer, 'Open')
    return refusalOf(api.answerCallbackQuery(query.id, { url }))
  }
  expect(await answered('https://google.com')).toBe('Bad Request: URL_INVALID')
  expect(await answered('https://t.me/other_bot?start=x')).toBe('Bad Request: URL_INVALID')
  expect(await answered('https://t.me.evil.example/message_bot?start=x')).toBe('Bad Request: URL_INVALID')
  for (const url of ['https://t.me/message_bot?start=x', 't.me/Message_bot', ''])
    expect(await answered(url)).toBeUndefined()
  expect(await answered('tg://resolve?domain=message_bot&start=x')).toBeUndefined()
})

test('calls with a business connection are not supported', async () => {
  const params = { chat_id: group.id, text: 'hi', business_connection_id: 'b' }
  expect(await call('sendMessage', params)).toMatchObject({
    ok: false,
    error_code: 501,
    description: expect.stringContaining('business_connection_id'),
  })
  expect(group.messages).toHaveLength(0)
  // Methods without this parameter ignore it.
  expect(await call('getChat', params)).toMatchObject({ ok: true })
})

test('the admin log contains the text of a message before a bot edited it', async () => {
  const { message_id } = await api.sendMessage(group.id, 'old')
  await api.editMessageText(group.id, message_id, 'new')
  const { world } = telegram.parts
  const [latest] = world.adminLog.of(world.sharedChat(group.id)!)
  expect(latest?.event).toMatchObject({ what: 'edited', before: { text: 'old' } })
})
