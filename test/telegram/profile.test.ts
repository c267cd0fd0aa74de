import { caller, refusalOf, updatesOf } from './calling.js'
import { alice, api, bot, group, telegram, usePlaza } from './plaza.js'

usePlaza({ username: 'proud_bot', firstName: 'Proud' })
beforeEach(async () => {
  await alice.to(bot).sends('/start')
})

test('names and descriptions are returned by language, else the default', async () => {
  expect(await api.getMyName()).toEqual({ name: 'Proud' })
  await api.setMyName('Prouder')
  await api.setMyName('Stolz', { language_code: 'de' })
  expect(await api.getMyName({ language_code: 'de' })).toEqual({ name: 'Stolz' })
  expect(await api.getMyName({ language_code: 'fr' })).toEqual({ name: 'Prouder' })
  await api.setMyName('', { language_code: 'de' })
  expect(await api.getMyName({ language_code: 'de' })).toEqual({ name: 'Prouder' })
  await api.setMyDescription('Does things')
  await api.setMyShortDescription('Things')
  expect(await api.getMyDescription()).toEqual({ description: 'Does things' })
  expect(await api.getMyShortDescription({ language_code: 'de' })).toEqual({ short_description: 'Things' })
  expect(await refusalOf(api.setMyName('x'.repeat(65)))).toBe('Bad Request: bot name is too long')
})

test('default administrator rights and menu buttons are stored', async () => {
  expect(await api.getMyDefaultAdministratorRights()).toMatchObject({ can_delete_messages: false })
  await api.setMyDefaultAdministratorRights({ rights: { can_delete_messages: true } as never })
  expect(await api.getMyDefaultAdministratorRights()).toMatchObject({
    can_delete_messages: true,
    can_pin_messages: false,
  })
  expect(await api.getMyDefaultAdministratorRights({ for_channels: true })).toMatchObject({
    can_delete_messages: false,
    can_post_messages: false,
  })
  expect(await api.getChatMenuButton()).toEqual({ type: 'default' })
  await api.setChatMenuButton({ menu_button: { type: 'commands' } })
  const app = { type: 'web_app' as const, text: 'Open', web_app: { url: 'https://example.com' } }
  await api.setChatMenuButton({ chat_id: alice.id, menu_button: app })
  expect(await api.getChatMenuButton()).toEqual({ type: 'commands' })
  expect(await api.getChatMenuButton({ chat_id: alice.id })).toEqual(app)
  expect(await refusalOf(api.setChatMenuButton({ chat_id: group.id }))).toMatch(/private chats only/)
})

test('a user without photos has none, and an unknown user is refused', async () => {
  expect(await api.getUserProfilePhotos(alice.id)).toEqual({ total_count: 0, photos: [] })
  expect(await refusalOf(api.getUserProfilePhotos(404))).toBe('Bad Request: user not found')
})

test('reactions can be set by bots and deleted by moderators', async () => {
  const call = caller(telegram.apiRoot, bot)
  await updatesOf(call, ['message_reaction'])
  const one = await alice.in(group).sends('one')
  const two = await alice.in(group).sends('two')
  await api.setMessageReaction(group.id, one.message_id, [{ type: 'emoji', emoji: '👍' }])
  expect(await refusalOf(api.setMessageReaction(group.id, 404, []))).toBe(
    'Bad Request: message to react not found',
  )
  for (const message of [one, two]) await alice.in(group).reacts(message, '🔥')
  const target = { chat_id: group.id, user_id: alice.id }
  expect(await call('deleteMessageReaction', { ...target, message_id: one.message_id })).toMatchObject({
    ok: true,
  })
  expect(await call('deleteAllMessageReactions', target)).toMatchObject({ ok: true })
  await updatesOf(call)
  await alice.in(group).reacts(one, '👎')
  await alice.in(group).reacts(two, '👎')
  expect(await updatesOf(call)).toMatchObject([
    { message_reaction: { old_reaction: [], new_reaction: [{ emoji: '👎' }] } },
    { message_reaction: { old_reaction: [] } },
  ])
  await alice.in(group).demotes(bot)
  expect(await call('deleteAllMessageReactions', target)).toMatchObject({
    description: 'Bad Request: not enough rights to delete reactions',
  })
})

test('an invoice can be paid, and invalid invoices are refused', async () => {
  const prices = [{ label: 'A month', amount: 100 }]
  const send = (currency: string, payload = 'month', chosen = prices, other = {}) =>
    api.sendInvoice(alice.id, 'Premium', 'Everything for a month', payload, currency, chosen, other)
  const { invoice } = await send('XTR')
  expect(invoice).toMatchObject({ title: 'Premium', currency: 'XTR', total_amount: 100 })
  const shown = await alice.hears('Premium')
  const payment = await alice.pays(bot, shown)
  expect(payment.query).toMatchObject({ invoice_payload: 'month', total_amount: 100, currency: 'XTR' })
  await api.answerPreCheckoutQuery(payment.query.id, true)
  expect((await payment.answer).ok).toBe(true)
  expect(payment.receipt?.successful_payment).toMatchObject({ invoice_payload: 'month', total_amount: 100 })

  const plain = await alice.to(bot).sends('hello')
  await expect(alice.pays(bot, plain)).rejects.toThrow(/is not an invoice of @proud_bot/)
  expect(await refusalOf(send('xtr'))).toBe('Bad Request: CURRENCY_INVALID')
  expect(await refusalOf(send('ZZZ', 'x', prices, { provider_token: 'test' }))).toBe(
    'Bad Request: CURRENCY_INVALID',
  )
  expect(await refusalOf(send('EUR'))).toBe('Bad Request: PAYMENT_PROVIDER_INVALID')
  expect(await refusalOf(send('XTR', ''))).toBe('Bad Request: INVOICE_PAYLOAD_INVALID')
  expect(await refusalOf(send('XTR', 'x', []))).toBe('Bad Request: CURRENCY_TOTAL_AMOUNT_INVALID')
  expect(await refusalOf(send('XTR', 'x', [...prices, ...prices]))).toBe('Bad Request: STARS_INVOICE_INVALID')
  expect(
    (await send('EUR', 'x', [...prices, ...prices], { provider_token: 'test' })).invoice.total_amount,
  ).toBe(200)
})

test.each([
  [{ max_tip_amount: -1 }, 'invalid max_tip_amount of the currency specified'],
  [{ max_tip_amount: 1_000_000_000_000 }, 'invalid max_tip_amount of the currency specified'],
  [{ max_tip_amount: 100, suggested_tip_amounts: [5.5] }, "can't parse suggested tip amount as Number"],
  [{ max_tip_amount: 100, suggested_tip_amounts: [-1] }, 'suggested tip amount must be positive'],
  [
    { max_tip_amount: 10, suggested_tip_amounts: [50] },
    "suggested tip amount can't be bigger than max_tip_amount",
  ],
  [
    { max_tip_amount: 100, suggested_tip_amounts: [1, 2, 3, 4, 5] },
    'there can be at most 4 suggested tip amounts',
  ],
  [
    { max_tip_amount: 100, suggested_tip_amounts: [50, 10] },
    'suggested tip amounts must be in a strictly increasing order',
  ],
])('an invoice with the tips %j is refused', async (tips, why) => {
  const prices = [{ label: 'A month', amount: 500 }]
  const send = (other: object) =>
    api.sendInvoice(alice.id, 'Premium', 'Everything', 'month', 'EUR', prices, {
      provider_token: 'test',
      ...other,
    })
  expect(await refusalOf(send(tips))).toBe(`Bad Request: ${why}`)
  expect(await send({ max_tip_amount: 100, suggested_tip_amounts: [10, 50] })).toHaveProperty('invoice')
})

test('a method that is not supported is refused by name', async () => {
  expect(await refusalOf(api.sendGame(group.id, 'x'))).toBe(
    'Not Implemented: the embedded Telegram does not serve sendGame yet',
  )
})
