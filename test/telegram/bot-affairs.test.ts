import { Api, InputFile } from 'grammy'
import { refusalOf, updatesOf } from './calling.js'
import { alice, api, bot, call, group, telegram, usePlaza } from './plaza.js'

usePlaza('affairs_bot')
beforeEach(async () => {
  await alice.to(bot).sends('/start')
  await updatesOf(call)
})

const file = (name: string) => new InputFile(Buffer.from(name), name)

describe('a bot’s session', () => {
  test('ends with logOut: pending updates are dropped, and calls are refused for ten minutes', async () => {
    await alice.to(bot).sends('hello?')
    expect(await call('logOut')).toEqual({ ok: true, result: true })
    expect(await call('getMe')).toEqual({ ok: false, error_code: 400, description: 'Logged out' })
    telegram.clock.advance('10m')
    expect(await call('getUpdates')).toEqual({ ok: true, result: [] })
  })

  test('can be closed only ten minutes after it began', async () => {
    telegram.clock.advance('9m')
    expect(await call('close')).toEqual({
      ok: false,
      error_code: 429,
      description: 'Too Many Requests: retry after 60',
      parameters: { retry_after: 60 },
    })
    telegram.clock.advance('1m')
    const poll = call('getUpdates', { timeout: 30 })
    while (telegram.calls('getUpdates').at(-1)?.result !== undefined) await new Promise(setImmediate)
    expect(await call('close')).toEqual({ ok: true, result: true })
    expect(await poll).toMatchObject({ error_code: 500, description: 'Internal Server Error: restart' })
    expect(await call('getMe')).toMatchObject({ ok: true })
  })
})

test('getUserProfilePhotos returns the latest photo first', async () => {
  await alice.setsProfilePhoto('young.jpg')
  await alice.setsProfilePhoto('old.jpg')
  const { total_count, photos } = await api.getUserProfilePhotos(alice.id, { limit: 1 })
  expect([total_count, photos.length]).toEqual([2, 1])
  expect(await api.getUserProfilePhotos(bot.id)).toEqual({ total_count: 0, photos: [] })
  await api.setMyProfilePhoto({ type: 'static', photo: file('bot.jpg') })
  expect((await api.getUserProfilePhotos(bot.id)).total_count).toBe(1)
  await api.removeMyProfilePhoto()
  expect((await api.getUserProfilePhotos(bot.id)).total_count).toBe(0)
  const photo = { type: 'static', photo: 'AgACx' }
  expect(await call('setMyProfilePhoto', { photo })).toMatchObject({
    description: 'Bad Request: photo must be uploaded as a file',
  })
})

test('getChat of a private chat contains the photo of the user and the pinned message', async () => {
  expect(await api.getChat(alice.id)).not.toHaveProperty('photo')
  await alice.setsProfilePhoto('me.jpg')
  const { message_id } = await api.sendMessage(alice.id, 'Rules')
  await api.pinChatMessage(alice.id, message_id)
  expect(await api.getChat(alice.id)).toMatchObject({
    photo: { small_file_id: expect.any(String) },
    pinned_message: { message_id, text: 'Rules' },
  })
})

test('an invoice link can be paid, and the Stars can be refunded', async () => {
  const link = await api.createInvoiceLink('Book', 'About cats', 'book', '', 'XTR', [
    { label: 'Book', amount: 50 },
  ])
  const payment = await alice.pays(bot, link)
  await api.answerPreCheckoutQuery(payment.query.id, true)
  expect(payment.receipt?.successful_payment).toMatchObject({ invoice_payload: 'book', total_amount: 50 })
  expect(await api.getMyStarBalance()).toEqual({ amount: 50 })
  const charge = payment.receipt!.successful_payment!.telegram_payment_charge_id
  expect(await api.getStarTransactions()).toMatchObject({
    transactions: [{ id: charge, amount: 50, source: { type: 'user', user: { id: alice.id } } }],
  })
  await updatesOf(call)
  await api.refundStarPayment(alice.id, charge)
  expect(await api.getMyStarBalance()).toEqual({ amount: 0 })
  expect(await updatesOf(call)).toMatchObject([{ message: { refunded_payment: { total_amount: 50 } } }])
  expect(await refusalOf(api.refundStarPayment(alice.id, charge))).toBe(
    'Bad Request: CHARGE_ALREADY_REFUNDED',
  )
  expect(await refusalOf(api.refundStarPayment(alice.id, 'none'))).toBe('Bad Request: CHARGE_ID_INVALID')
  await expect(alice.pays(bot, 'https://t.me/$none')).rejects.toThrow(
    /is not an invoice link of @affairs_bot/,
  )
})

test('an invoice link of a subscription is not served, rather than sold as a single payment', async () => {
  const linked = (subscription_period: number) =>
    api.createInvoiceLink('Club', 'All cats', 'club', '', 'XTR', [{ label: 'A month', amount: 50 }], {
      subscription_period,
    })
  expect(await refusalOf(linked(2_592_000))).toBe(
    'Not Implemented: the embedded Telegram has no subscriptions, and no subscription_period',
  )
  const payment = await alice.pays(bot, await linked(0))
  expect(payment.query).toMatchObject({ invoice_payload: 'club' })
})

describe('a sticker set', () => {
  const name = 'cats_by_affairs_bot'
  const cat = { sticker: file('cat.webp'), format: 'static' as const, emoji_list: ['🐈'] }
  const dog = { sticker: file('dog.webp'), format: 'static' as const, emoji_list: ['🐕'] }

  test('can be created, changed, sent from and deleted', async () => {
    await api.createNewStickerSet(alice.id, name, 'Cats', [cat])
    await api.addStickerToSet(alice.id, name, dog)
    const set = await api.getStickerSet(name)
    expect(set).toMatchObject({ title: 'Cats', stickers: [{ emoji: '🐈' }, { emoji: '🐕', set_name: name }] })
    const [first, second] = set.stickers
    const sent = await api.sendSticker(group.id, second!.file_id)
    expect(sent.sticker).toMatchObject({ set_name: name, emoji: '🐕' })
    await api.setStickerPositionInSet(second!.file_id, 0)
    await api.setStickerEmojiList(first!.file_id, ['😺'])
    await api.setStickerKeywords(first!.file_id, ['cat'])
    await api.setStickerSetTitle(name, 'Pets')
    expect(await api.getStickerSet(name)).toMatchObject({
      title: 'Pets',
      stickers: [{ emoji: '🐕' }, { emoji: '😺' }],
    })
    await api.setChatStickerSet(group.id, name)
    expect(await api.getChat(group.id)).toMatchObject({ sticker_set_name: name })
    await api.deleteChatStickerSet(group.id)
    await api.replaceStickerInSet(alice.id, name, second!.file_id, { ...cat, sticker: file('kitten.webp') })
    await api.deleteStickerFromSet(first!.file_id)
    expect((await api.getStickerSet(name)).stickers).toHaveLength(1)
    await api.deleteStickerSet(name)
    expect(await refusalOf(api.getStickerSet(name))).toBe('Bad Request: STICKERSET_INVALID')
  })

  test('is refused in the words of Telegram', async () => {
    const create = (called: string, stickers: unknown[]) =>
      refusalOf(api.createNewStickerSet(alice.id, called, 'Cats', stickers as []))
    expect(await create('cats', [cat])).toBe('Bad Request: invalid sticker set name is specified')
    expect(await create(name, [{ ...cat, emoji_list: [] }])).toBe(
      "Bad Request: can't parse emoji list: emoji list must be non-empty",
    )
    expect(await create(name, [{ ...cat, format: 'wet' }])).toBe(
      'Bad Request: invalid sticker format specified',
    )
    expect(await create(name, [cat])).toBeUndefined()
    expect(await create(name, [cat])).toBe('Bad Request: sticker set name is already occupied')
    const other = new Api(telegram.createBot({ username: 'other_bot' }).token, { apiRoot: telegram.apiRoot })
    expect(await refusalOf(other.deleteStickerSet(name))).toBe('Bad Request: STICKERSET_INVALID')
  })
})
