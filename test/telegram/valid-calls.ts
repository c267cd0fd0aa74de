import { Api, InputFile } from 'grammy'
import type { MethodName } from '../../src/telegram/bot-api/schema/schema.js'
import { createTelegram } from '../../src/telegram/index.js'
import type { RawAnswer } from './calling.js'

type Json = Record<string, unknown>
export type Scene = Awaited<ReturnType<typeof build>>['scene']

/** Creates a Telegram that contains something for a call of every method. */
export async function setting() {
  const { telegram, bot, scene } = await build()
  const { fetch: ask = fetch, apiRoot } = bot.config.client
  const call = async (method: string, params: Json): Promise<RawAnswer> => {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify(params)
    const response = await ask(`${apiRoot}/bot${bot.token}/${method}`, { method: 'POST', headers, body })
    return (await response.json()) as RawAnswer
  }
  return { scene, call, close: () => telegram.close() }
}

async function build() {
  const telegram = createTelegram({ clock: 'virtual' })
  const bot = telegram.createBot({ username: 'whole_bot', joinRequestQueries: true })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const bob = telegram.createUser({ firstName: 'Bob' })
  const carol = telegram.createUser({ firstName: 'Carol' })
  const dora = telegram.createUser({ firstName: 'Dora' })
  telegram.clock.advance('1h')
  const group = telegram.createGroup({ title: 'Plaza', owner: alice, members: [bob], admins: [bot] })
  const forum = telegram.createGroup({ title: 'Forum', owner: alice, admins: [bot], forum: true })
  const news = telegram.createChannel({ title: 'News', owner: bob })
  const hidden = telegram.createGroup({ title: 'Hidden', owner: alice, admins: [bot], forum: true })
  const api = new Api(bot.token, bot.config.client)
  const file = (name: string) => new InputFile(Buffer.from(name), name)
  const id = group.id
  await alice.to(bot).sends('/start')
  const hello = await alice.in(group).sends('hello')
  await alice.in(group).reacts(hello, '👍')
  const text = await api.sendMessage(id, 'text', {
    reply_markup: { inline_keyboard: [[{ text: 'A', callback_data: 'a' }]] },
  })
  const photo = await api.sendPhoto(id, file('photo.jpg'), { caption: 'Photo' })
  const live = await api.sendLocation(id, 1, 2, { live_period: 600 })
  const poll = await api.sendPoll(id, 'Which?', [{ text: 'A' }, { text: 'B' }])
  const whisper = { ephemeral_message_parameters: { receiver_user_id: bob.id } }
  const ephemeral = await api.sendMessage(id, 'psst', whisper)
  const picture = await api.sendPhoto(id, file('photo.jpg'), { caption: 'psst', ...whisper })
  await api.pinChatMessage(id, text.message_id)
  const topic = await api.createForumTopic(forum.id, 'Lunch')
  const closed = await api.createForumTopic(forum.id, 'Closed')
  await api.closeForumTopic(forum.id, closed.message_thread_id)
  await api.hideGeneralForumTopic(hidden.id)
  const link = await api.createChatInviteLink(id)
  await api.setChatPhoto(id, file('chat.jpg'))
  const set = 'cats_by_whole_bot'
  const sticker = { sticker: file('cat.webp'), format: 'static' as const, emoji_list: ['🐈'] }
  await api.createNewStickerSet(alice.id, set, 'Cats', [sticker])
  await api.createNewStickerSet(
    alice.id,
    `masks_${set}`,
    'Masks',
    [{ ...sticker, sticker: file('mask.webp') }],
    {
      sticker_type: 'mask',
    },
  )
  const { stickers } = await api.getStickerSet(set)
  const masks = await api.getStickerSet(`masks_${set}`)
  const payment = await alice.pays(bot, { payload: 'book', amount: 5 })
  await api.answerPreCheckoutQuery(payment.query.id, true)
  await api.promoteChatMember(id, bob.id, { can_pin_messages: true })
  await carol.in(group).requestsToJoin()
  const [request] = (await api.getUpdates({ offset: -1 })) as { chat_join_request?: { query_id?: string } }[]
  await dora.in(group).joins()
  telegram.deliver(bot, {
    shipping_query: {
      id: 'shipping',
      from: { id: alice.id, is_bot: false, first_name: 'Alice' },
      invoice_payload: 'book',
      shipping_address: {
        country_code: 'DE',
        state: '',
        city: 'Berlin',
        street_line1: '',
        street_line2: '',
        post_code: '',
      },
    },
  })
  const scene = {
    chat_id: id,
    forum: { chat_id: forum.id, message_thread_id: topic.message_thread_id },
    closed: { chat_id: forum.id, message_thread_id: closed.message_thread_id },
    hidden: { chat_id: hidden.id },
    alice: alice.id,
    bob: bob.id,
    carol: carol.id,
    dora: dora.id,
    news: news.id,
    hello: { chat_id: id, message_id: hello.message_id },
    text: { chat_id: id, message_id: text.message_id },
    photo: { chat_id: id, message_id: photo.message_id },
    live: { chat_id: id, message_id: live.message_id },
    poll: { chat_id: id, message_id: poll.message_id },
    whispered: whispered(id, bob.id, ephemeral.ephemeral_message_id),
    whisperedPicture: whispered(id, bob.id, picture.ephemeral_message_id),
    link: link.invite_link,
    photoId: photo.photo[0]!.file_id,
    set,
    sticker: stickers[0]!.file_id,
    mask: masks.stickers[0]!.file_id,
    charge: payment.receipt!.successful_payment!.telegram_payment_charge_id,
    tap: (await alice.in(group).taps(text, 'A')).query.id,
    inline: (await alice.asks(bot, 'x')).query.id,
    checkout: (await alice.pays(bot, { payload: 'pen', amount: 1 })).query.id,
    request: request!.chat_join_request!.query_id!,
  }
  return { telegram, bot, scene }
}

function whispered(chat_id: number, receiver_user_id: number, ephemeral_message_id: number | undefined) {
  return { chat_id, receiver_user_id, ephemeral_message_id }
}

const url = 'https://example.com/file.mp4'
const prices = [{ label: 'Book', amount: 50 }]
const goods = { title: 'Book', description: 'Cats', payload: 'book', currency: 'XTR', prices }
const newSticker = { sticker: 'https://example.com/dog.webp', format: 'static', emoji_list: ['🐕'] }

const none = (): Json => ({})
const inGroup = ({ chat_id }: Scene): Json => ({ chat_id })
const inForum = ({ forum: { chat_id } }: Scene): Json => ({ chat_id })
const ofBob = ({ chat_id, bob }: Scene): Json => ({ chat_id, user_id: bob })
const ofCarol = ({ chat_id, carol }: Scene): Json => ({ chat_id, user_id: carol })
const sends =
  (name: string) =>
  ({ chat_id }: Scene): Json => ({ chat_id, [name]: url })
const moves = ({ hello, alice }: Scene): Json => ({
  chat_id: alice,
  from_chat_id: hello.chat_id,
  message_id: hello.message_id,
})
const movesAll = ({ hello, alice }: Scene): Json => ({
  chat_id: alice,
  from_chat_id: hello.chat_id,
  message_ids: [hello.message_id],
})

/** A call of every supported method with only the parameters that it needs. */
export const VALID: { readonly [Name in MethodName]?: (scene: Scene) => Json } = {
  getMe: none,
  logOut: none,
  close: none,
  getUpdates: none,
  setWebhook: () => ({ url: 'http://127.0.0.1:9/hook' }),
  deleteWebhook: none,
  getWebhookInfo: none,
  sendMessage: ({ chat_id }) => ({ chat_id, text: 'hi' }),
  sendPhoto: sends('photo'),
  sendDocument: sends('document'),
  sendVideo: sends('video'),
  sendAudio: sends('audio'),
  sendVoice: sends('voice'),
  sendSticker: sends('sticker'),
  sendAnimation: sends('animation'),
  sendVideoNote: sends('video_note'),
  sendMediaGroup: ({ chat_id }) => ({
    chat_id,
    media: [
      { type: 'video', media: url },
      { type: 'video', media: url },
    ],
  }),
  sendLocation: ({ chat_id }) => ({ chat_id, latitude: 1, longitude: 2 }),
  sendVenue: ({ chat_id }) => ({ chat_id, latitude: 1, longitude: 2, title: 'Cafe', address: 'Street' }),
  sendContact: ({ chat_id }) => ({ chat_id, phone_number: '+1', first_name: 'Bob' }),
  sendPoll: ({ chat_id }) => ({ chat_id, question: 'Which?', options: [{ text: 'A' }] }),
  sendDice: inGroup,
  sendChatAction: ({ chat_id }) => ({ chat_id, action: 'typing' }),
  sendInvoice: ({ chat_id }) => ({ chat_id, ...goods }),
  forwardMessage: moves,
  forwardMessages: movesAll,
  copyMessage: moves,
  copyMessages: movesAll,
  editMessageText: ({ text }) => ({ ...text, text: 'new' }),
  editMessageCaption: ({ photo }) => ({ ...photo, caption: 'new' }),
  editMessageMedia: ({ photo }) => ({ ...photo, media: { type: 'video', media: url } }),
  editMessageReplyMarkup: ({ text }) => text,
  editMessageLiveLocation: ({ live }) => ({ ...live, latitude: 3, longitude: 4 }),
  stopMessageLiveLocation: ({ live }) => live,
  stopPoll: ({ poll }) => poll,
  deleteMessage: ({ hello }) => hello,
  deleteMessages: ({ hello: { chat_id, message_id } }) => ({ chat_id, message_ids: [message_id] }),
  pinChatMessage: ({ hello }) => hello,
  unpinChatMessage: inGroup,
  unpinAllChatMessages: inGroup,
  unpinAllForumTopicMessages: ({ forum }) => forum,
  unpinAllGeneralForumTopicMessages: inForum,
  setMessageReaction: ({ hello }) => ({ ...hello, reaction: [{ type: 'emoji', emoji: '👍' }] }),
  deleteMessageReaction: ({ hello, alice }) => ({ ...hello, user_id: alice }),
  deleteAllMessageReactions: ({ chat_id, alice }) => ({ chat_id, user_id: alice }),
  editEphemeralMessageText: ({ whispered }) => ({ ...whispered, text: 'new' }),
  editEphemeralMessageCaption: ({ whisperedPicture }) => ({ ...whisperedPicture, caption: 'new' }),
  editEphemeralMessageMedia: ({ whisperedPicture }) => ({
    ...whisperedPicture,
    media: { type: 'video', media: url },
  }),
  editEphemeralMessageReplyMarkup: ({ whispered }) => whispered,
  deleteEphemeralMessage: ({ whispered }) => whispered,
  answerCallbackQuery: ({ tap }) => ({ callback_query_id: tap }),
  answerInlineQuery: ({ inline }) => ({ inline_query_id: inline, results: [] }),
  answerPreCheckoutQuery: ({ checkout }) => ({ pre_checkout_query_id: checkout, ok: true }),
  answerShippingQuery: () => ({
    shipping_query_id: 'shipping',
    ok: true,
    shipping_options: [{ id: 'post', title: 'Post', prices }],
  }),
  createInvoiceLink: () => goods,
  getFile: ({ photoId }) => ({ file_id: photoId }),
  getUserProfilePhotos: ({ alice }) => ({ user_id: alice }),
  getChat: inGroup,
  getChatMember: ofBob,
  getChatMemberCount: inGroup,
  getChatAdministrators: inGroup,
  leaveChat: inGroup,
  banChatMember: ofBob,
  unbanChatMember: ofBob,
  restrictChatMember: ({ chat_id, dora }) => ({ chat_id, user_id: dora, permissions: {} }),
  promoteChatMember: ofBob,
  setChatAdministratorCustomTitle: (scene) => ({ ...ofBob(scene), custom_title: 'Gardener' }),
  setChatMemberTag: ({ chat_id, dora }) => ({ chat_id, user_id: dora, tag: 'New' }),
  banChatSenderChat: ({ chat_id, news }) => ({ chat_id, sender_chat_id: news }),
  unbanChatSenderChat: ({ chat_id, news }) => ({ chat_id, sender_chat_id: news }),
  setChatPermissions: ({ chat_id }) => ({ chat_id, permissions: {} }),
  setChatTitle: ({ chat_id }) => ({ chat_id, title: 'Agora' }),
  setChatDescription: ({ chat_id }) => ({ chat_id, description: 'Talk' }),
  deleteChatPhoto: inGroup,
  setChatStickerSet: ({ chat_id, set }) => ({ chat_id, sticker_set_name: set }),
  deleteChatStickerSet: inGroup,
  createChatInviteLink: inGroup,
  editChatInviteLink: ({ chat_id, link }) => ({ chat_id, invite_link: link, name: 'Door' }),
  revokeChatInviteLink: ({ chat_id, link }) => ({ chat_id, invite_link: link }),
  exportChatInviteLink: inGroup,
  approveChatJoinRequest: ofCarol,
  declineChatJoinRequest: ofCarol,
  answerChatJoinRequestQuery: ({ request }) => ({ chat_join_request_query_id: request, result: 'approve' }),
  createForumTopic: (scene) => ({ ...inForum(scene), name: 'Dinner' }),
  editForumTopic: ({ forum }) => ({ ...forum, name: 'Dinner' }),
  closeForumTopic: ({ forum }) => forum,
  reopenForumTopic: ({ closed }) => closed,
  deleteForumTopic: ({ forum }) => forum,
  editGeneralForumTopic: (scene) => ({ ...inForum(scene), name: 'All' }),
  closeGeneralForumTopic: inForum,
  reopenGeneralForumTopic: ({ hidden }) => hidden,
  hideGeneralForumTopic: inForum,
  unhideGeneralForumTopic: ({ hidden }) => hidden,
  getForumTopicIconStickers: none,
  setMyCommands: () => ({ commands: [{ command: 'help', description: 'Helps' }] }),
  getMyCommands: none,
  deleteMyCommands: none,
  setMyName: none,
  getMyName: none,
  setMyDescription: none,
  getMyDescription: none,
  setMyShortDescription: none,
  getMyShortDescription: none,
  setMyDefaultAdministratorRights: none,
  getMyDefaultAdministratorRights: none,
  removeMyProfilePhoto: none,
  setChatMenuButton: none,
  getChatMenuButton: none,
  getMyStarBalance: none,
  getStarTransactions: none,
  refundStarPayment: ({ alice, charge }) => ({ user_id: alice, telegram_payment_charge_id: charge }),
  uploadStickerFile: ({ alice }) => ({ user_id: alice, sticker: url, sticker_format: 'static' }),
  createNewStickerSet: ({ alice }) => ({
    user_id: alice,
    name: 'dogs_by_whole_bot',
    title: 'Dogs',
    stickers: [newSticker],
  }),
  addStickerToSet: ({ alice, set }) => ({ user_id: alice, name: set, sticker: newSticker }),
  replaceStickerInSet: ({ alice, set, sticker }) => ({
    user_id: alice,
    name: set,
    old_sticker: sticker,
    sticker: newSticker,
  }),
  getStickerSet: ({ set }) => ({ name: set }),
  deleteStickerSet: ({ set }) => ({ name: set }),
  setStickerSetTitle: ({ set }) => ({ name: set, title: 'Pets' }),
  setStickerSetThumbnail: ({ set, alice }) => ({
    name: set,
    user_id: alice,
    format: 'static',
    thumbnail: url,
  }),
  deleteStickerFromSet: ({ sticker }) => ({ sticker }),
  setStickerPositionInSet: ({ sticker }) => ({ sticker, position: 0 }),
  setStickerEmojiList: ({ sticker }) => ({ sticker, emoji_list: ['😺'] }),
  setStickerKeywords: ({ sticker }) => ({ sticker, keywords: ['cat'] }),
  setStickerMaskPosition: ({ mask }) => ({
    sticker: mask,
    mask_position: { point: 'eyes', x_shift: 0, y_shift: 0, scale: 1 },
  }),
  getCustomEmojiStickers: () => ({ custom_emoji_ids: [] }),
}
