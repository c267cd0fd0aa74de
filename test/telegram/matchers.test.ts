import '../../src/telegram/jest.js'
import { Api, InputFile, InputMediaBuilder } from 'grammy'
import {
  createTelegram,
  type Person,
  type Telegram,
  type TelegramBot,
  type TelegramGroup,
  telegramMatchers,
} from '../../src/telegram/index.js'

let telegram: Telegram
let account: TelegramBot
let api: Api
let alice: Person
let bob: Person
let plaza: TelegramGroup

beforeEach(() => {
  telegram = createTelegram({ clock: 'virtual', patience: '50ms' })
  account = telegram.createBot({ username: 'matched_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  bob = telegram.createUser({ firstName: 'Bob' })
  plaza = telegram.createGroup({ title: 'Plaza', owner: alice, members: [bob], admins: [account] })
  api = new Api(account.token, account.config.client)
})
afterEach(() => telegram.close())

/** Returns the message of a failing expectation. */
function complaint(expectation: () => void): string {
  try {
    expectation()
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('it did not fail')
}

test('toHear waits for a message; toHaveHeard looks at messages that have arrived', async () => {
  expect(bob).not.toHaveHeard('welcome')
  const hearing = expect(bob).toHear('welcome')
  await api.sendMessage(plaza.id, 'welcome, all')
  await hearing
  expect(bob).toHaveHeard(/welcome/)
  expect(bob).toHaveHeard('welcome', { in: plaza })
  expect(bob).not.toHaveHeard('welcome', { in: account })
  expect(complaint(() => expect(bob).not.toHaveHeard('welcome'))).toBe(
    'expected Bob not to have heard "welcome", but heard "welcome, all"',
  )
  expect(complaint(() => expect(bob).toHaveHeard(/bye/))).toMatch(
    /^expected Bob to have heard \/bye\/, but heard only:\n {2}- matched_bot in "Plaza": "welcome, all"$/,
  )
  await expect(expect(bob).toHear('bye')).rejects.toThrow(
    /Bob did not hear "bye" within 50 ms, but heard only/,
  )
  await expect(expect(bob).not.toHear('bye')).rejects.toThrow(/would always wait for the whole time/)
})

test('toHaveCalled looks for a call with at least these parameters', async () => {
  expect(telegram).not.toHaveCalled('sendMessage')
  expect(complaint(() => expect(telegram).toHaveCalled('sendMessage'))).toBe(
    'expected a bot to have called sendMessage, but sendMessage was not called. Methods that were: none',
  )
  await api.sendMessage(plaza.id, 'hi', {
    reply_markup: { inline_keyboard: [[{ text: 'A', callback_data: 'a' }]] },
  })
  expect(telegram).toHaveCalled('sendmessage', { chat_id: plaza.id, text: /^h/ })
  expect(telegram).toHaveCalled('sendMessage', { chat_id: expect.any(Number) })
  expect(telegram).toHaveCalled('sendMessage', {
    reply_markup: { inline_keyboard: [[{ callback_data: 'a' }]] },
  })
  expect(telegram).not.toHaveCalled('sendMessage', { text: 'bye' })
  expect(telegram).not.toHaveCalled('sendMessage', { reply_markup: { inline_keyboard: [] } })
  expect(() => expect(telegram).not.toHaveCalled('sendMessage', { toString: 'hi' })).toThrow(/no parameter/)
  expect(complaint(() => expect(telegram).toHaveCalled('sendMessage', { text: 'bye' }))).toMatch(
    /^expected a bot to have called sendMessage with \{ text: 'bye' \}, but the call was:\n {2}- @matched_bot: \{[\s\S]*text: 'hi'/,
  )
})

test('unknown methods, parameters and permissions are refused, so that `not` cannot pass by a typo', async () => {
  await bob.in(plaza).sends('hi')
  expect(() => expect(telegram).not.toHaveCalled('banChatMembers')).toThrow(
    /^toHaveCalled: Telegram has no method "banChatMembers"\. Did you mean "banChatMember"\?$/,
  )
  expect(() => telegram.calls('sendMesage')).toThrow(/^calls: .* Did you mean "sendMessage"\?$/)
  await expect(telegram.called('sendMesage')).rejects.toThrow(/^called: .* Did you mean "sendMessage"\?$/)
  await api.banChatMember(plaza.id, bob.id)
  expect(() => expect(telegram).not.toHaveCalled('banChatMember', { userid: bob.id })).toThrow(
    /^toHaveCalled: banChatMember has no parameter 'userid', .* Did you mean "user_id"\?$/,
  )
  await api.banChatMember(plaza.id, bob.id, { made_up: 5 } as object)
  expect(telegram).toHaveCalled('banChatMember', { made_up: 5 })
  const wrongly = { permissions: { can_send_messages: true } } as object
  expect(() => expect(bob).not.toBeRestrictedIn(plaza, wrongly)).toThrow(
    /there is no permission 'permissions'/,
  )
  expect(() => expect(alice).toHaveHeard('')).toThrow(/an empty text is in every message/)
  expect(() => expect(alice).not.toHaveHeard(undefined as unknown as string)).toThrow(/undefined is neither/)
  expect(() => expect(plaza).toHaveMessage('')).toThrow(/an empty text is in every message/)
})

test('toBeMutedIn reflects permissions of the group, which do not apply to administrators', async () => {
  await alice.in(plaza).permits({ can_send_messages: false })
  expect(bob).toBeMutedIn(plaza)
  expect(alice).not.toBeMutedIn(plaza)
  expect(account).not.toBeMutedIn(plaza)
  expect(telegram.createUser({ firstName: 'Carol' })).not.toBeMutedIn(plaza)
  await alice.in(plaza).permits({ can_send_messages: true })
  expect(bob).not.toBeMutedIn(plaza)
  const news = telegram.createChannel({ title: 'News', owner: alice, members: [bob] })
  expect(bob).not.toBeMutedIn(news)
})

test('toHaveCalled sees the same parameters in every encoding', async () => {
  const chat_id = bob.id
  await bob.to(account).sends('/start')
  const buttons = { inline_keyboard: [[{ text: 'A', callback_data: 'a' }]] }
  const cat = new InputFile(Buffer.from('cat'), 'cat.jpg')
  await api.sendPhoto(chat_id, cat, {
    caption: '[1]',
    has_spoiler: true,
    show_caption_above_media: false,
    reply_markup: buttons,
  })
  expect(telegram).toHaveCalled('sendPhoto', { chat_id, has_spoiler: true, show_caption_above_media: false })
  expect(telegram).toHaveCalled('sendPhoto', { caption: '[1]', reply_markup: buttons })
  expect(telegram).toHaveCalled('sendPhoto', { photo: { file_name: 'cat.jpg', file_size: 3 } })
  expect(() => expect(telegram).not.toHaveCalled('sendPhoto', { chat_id })).toThrow()
  const photo = (file: Buffer) => InputMediaBuilder.photo(new InputFile(file, 'one.jpg'), { caption: '5' })
  await api.sendMediaGroup(chat_id, [photo(Buffer.from('one')), photo(Buffer.from('two'))])
  const [album] = telegram.calls('sendMediaGroup')
  const item = { type: 'photo', caption: '5', media: expect.objectContaining({ file_name: 'one.jpg' }) }
  expect(album?.params).toEqual({ chat_id, media: [item, item] })

  const form = {
    chat_id: String(chat_id),
    text: '[1]',
    disable_notification: 'true',
    reply_to_message_id: '1',
  }
  await telegram.fetch(`${telegram.apiRoot}/bot${account.token}/sendMessage?unknown=5&other=[1`, {
    method: 'POST',
    body: new URLSearchParams({ ...form, link_preview_options: '{"is_disabled":true}' }),
  })
  expect(telegram.calls('sendMessage').at(-1)?.params).toEqual({
    chat_id,
    text: '[1]',
    disable_notification: true,
    reply_to_message_id: 1,
    link_preview_options: { is_disabled: true },
    unknown: 5,
    other: '[1',
  })
  await telegram.fetch(`${telegram.apiRoot}/bot${account.token}/sendMessage`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ chat_id, text: 5, disable_notification: 1 }),
  })
  expect(telegram.calls('sendMessage').at(-1)?.params).toEqual({
    chat_id,
    text: '5',
    disable_notification: true,
  })
})

test('matchers check the status of a member', async () => {
  expect(bob).toBeMemberOf(plaza)
  expect(alice).toBeAdministratorOf(plaza)
  expect(account).toBeAdministratorOf(plaza)
  expect(bob).not.toBeAdministratorOf(plaza)
  await api.restrictChatMember(plaza.id, bob.id, { can_send_messages: false, can_invite_users: true })
  expect(bob).toBeMemberOf(plaza)
  expect(bob).toBeMutedIn(plaza)
  expect(bob).toBeRestrictedIn(plaza)
  expect(bob).toBeRestrictedIn(plaza, { can_send_messages: false, can_invite_users: true })
  expect(bob).not.toBeRestrictedIn(plaza, { can_send_messages: true })
  expect(bob).not.toBeBannedIn(plaza)
  await api.banChatMember(plaza.id, bob.id, { until_date: Math.ceil(telegram.clock.now() / 1000) + 3600 })
  expect(bob).toBeBannedIn(plaza)
  expect(bob).not.toBeMutedIn(plaza)
  expect(complaint(() => expect(bob).toBeMemberOf(plaza))).toMatch(
    /^expected Bob to be in "Plaza", but they are \{ status: 'kicked', until_date: \d+ \}$/,
  )
  expect(complaint(() => expect(bob).not.toBeBannedIn(plaza))).toMatch(
    /^expected Bob not to be banned in "Plaza"/,
  )
  telegram.clock.advance('61m')
  expect(bob).not.toBeBannedIn(plaza)
})

test('toHaveMessage looks at the messages of a chat', async () => {
  expect(complaint(() => expect(plaza).toHaveMessage('hi'))).toBe(
    'expected "Plaza" to have a message with "hi", but it is empty',
  )
  const hi = await bob.in(plaza).sends('hi there')
  expect(plaza).toHaveMessage('hi')
  await api.deleteMessage(plaza.id, hi.message_id)
  expect(plaza).not.toHaveMessage('hi')
})

test('a matcher refuses values that it is not for', () => {
  expect(complaint(() => expect('bob').toBeBannedIn(plaza))).toBe(
    "toBeBannedIn is for a person or a bot, not for 'bob'.",
  )
  expect(complaint(() => expect(plaza).toHaveHeard('x'))).toMatch(
    /^toHaveHeard is for a person, not for TelegramGroup/,
  )
  expect(complaint(() => expect(bob).toHaveCalled('x'))).toMatch(
    /^toHaveCalled is for a Telegram, not for Person/,
  )
  expect(complaint(() => expect(bob).toHaveMessage('x'))).toMatch(
    /^toHaveMessage is for a group or a channel/,
  )
})

test('matchers use only what every expect.extend provides, and nothing specific to jest', async () => {
  const { toHaveHeard, toHear } = telegramMatchers
  expect(toHaveHeard.call({}, bob, 'hi')).toMatchObject({ pass: false })
  await alice.in(plaza).sends('hi')
  expect(await toHear.call({ isNot: false }, bob, 'hi')).toMatchObject({ pass: true })
})
