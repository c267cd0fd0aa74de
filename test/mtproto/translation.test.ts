import { Long, type tl } from '@mtcute/core'
import type { Update } from 'grammy/types'
import { Translation } from '../../src/mtproto/client/updates/translation/translation.js'
import { problemOfUpdate } from '../../src/telegram/bot-api/schema/results.js'

const ME = { id: 42, is_bot: true, first_name: 'Shop', username: 'shop_bot' }
const ALICE = { _: 'user', id: 7, firstName: 'Alice', langCode: 'de' } as tl.RawUser
const NEWS = { _: 'channel', id: 5, title: 'News', broadcast: true } as tl.RawChannel
const PLAZA = { _: 'channel', id: 6, title: 'Plaza', megagroup: true } as tl.RawChannel
const PEERS = new Map<number, tl.RawUser | tl.RawChannel>([
  [7, ALICE],
  [-1_000_000_000_005, NEWS],
  [-1_000_000_000_006, PLAZA],
])
const ALICE_THERE = { id: 7, is_bot: false, first_name: 'Alice', language_code: 'de' }

/** Translates an update, and checks the result against the types of the Bot API. */
function told(update: object): Omit<Update, 'update_id'> | undefined {
  const found = new Translation(1_795_000_000_000, () => ME).update(update as tl.TypeUpdate, PEERS)
  if (found === undefined) return undefined
  const { update_id, ...rest } = found
  expect(update_id).toBeGreaterThan(2 ** 52)
  for (const [kind, payload] of Object.entries(rest))
    expect([kind, problemOfUpdate(kind, payload)]).toEqual([kind, undefined])
  return rest
}

function message(fields: object): object {
  return {
    _: 'updateNewChannelMessage',
    pts: 1,
    ptsCount: 1,
    message: {
      _: 'message',
      id: 3,
      date: 1_795_000_000,
      peerId: { _: 'peerChannel', channelId: 6 },
      message: 'hello',
      ...fields,
    },
  }
}

const payload = new TextEncoder().encode('one cat')
const address = {
  _: 'postAddress',
  streetLine1: 'Way 1',
  streetLine2: '',
  city: 'Town',
  state: '',
  countryIso2: 'DE',
  postCode: '12345',
}

test('pre-checkout and shipping queries', () => {
  const common = { queryId: Long.fromString('9000000000000000001'), userId: 7, payload }
  expect(
    told({ _: 'updateBotPrecheckoutQuery', ...common, currency: 'EUR', totalAmount: Long.fromNumber(500) }),
  ).toEqual({
    pre_checkout_query: {
      id: '9000000000000000001',
      from: ALICE_THERE,
      currency: 'EUR',
      total_amount: 500,
      invoice_payload: 'one cat',
    },
  })
  expect(told({ _: 'updateBotShippingQuery', ...common, shippingAddress: address })).toMatchObject({
    shipping_query: {
      invoice_payload: 'one cat',
      shipping_address: { country_code: 'DE', post_code: '12345' },
    },
  })
})

test('successful payments', () => {
  const action = {
    _: 'messageActionPaymentSentMe',
    currency: 'XTR',
    totalAmount: Long.fromNumber(5),
    payload,
    charge: { _: 'paymentCharge', id: 'charge', providerChargeId: '' },
  }
  expect(
    told({
      _: 'updateNewMessage',
      pts: 1,
      ptsCount: 1,
      message: { _: 'messageService', id: 1, date: 1, peerId: { _: 'peerUser', userId: 7 }, action },
    }),
  ).toMatchObject({
    message: { from: ALICE_THERE, successful_payment: { currency: 'XTR', total_amount: 5 } },
  })
})

test('a chosen result and a tap on it have the same inline message id', () => {
  const msgId = {
    _: 'inputBotInlineMessageID64',
    dcId: 2,
    ownerId: Long.fromNumber(7),
    id: 3,
    accessHash: Long.fromString('-1'),
  }
  const chosen = told({ _: 'updateBotInlineSend', userId: 7, query: 'cats', id: 'result', msgId })
  const id = Buffer.from('0200000007000000000000000300000' + '0ffffffffffffffff', 'hex').toString('base64url')
  expect(chosen).toMatchObject({ chosen_inline_result: { result_id: 'result', inline_message_id: id } })
  const tap = {
    _: 'updateInlineBotCallbackQuery',
    queryId: Long.ONE,
    userId: 7,
    msgId,
    chatInstance: Long.ONE,
  }
  expect(told({ ...tap, data: new TextEncoder().encode('x') })).toMatchObject({
    callback_query: { inline_message_id: id, data: 'x' },
  })
})

test('messages of chats have the stand-in users that guards know', () => {
  const channel = { _: 'peerChannel', channelId: 5 }
  expect(told(message({}))).toMatchObject({
    message: { from: { id: 1_087_968_824 }, sender_chat: { id: -1_000_000_000_006 } },
  })
  expect(told(message({ fromId: channel }))).toMatchObject({
    message: { from: { id: 136_817_688 }, sender_chat: { id: -1_000_000_000_005, type: 'channel' } },
  })
  expect(
    told(
      message({
        fromId: channel,
        fwdFrom: { _: 'messageFwdHeader', date: 1, savedFromPeer: channel, savedFromMsgId: 9 },
      }),
    ),
  ).toMatchObject({ message: { from: { id: 777_000 }, is_automatic_forward: true } })
})

test('topics and albums', () => {
  expect(
    told(
      message({
        fromId: { _: 'peerUser', userId: 7 },
        groupedId: Long.fromNumber(77),
        replyTo: { _: 'messageReplyHeader', forumTopic: true, replyToMsgId: 11 },
        noforwards: true,
      }),
    ),
  ).toMatchObject({
    message: {
      from: ALICE_THERE,
      media_group_id: '77',
      message_thread_id: 11,
      is_topic_message: true,
      has_protected_content: true,
    },
  })
})

test('an edit with edit_hide is dropped, except for a moving location', () => {
  const edited = (fields: object) => {
    const { message: said } = message({ fromId: { _: 'peerUser', userId: 7 }, editDate: 2, ...fields }) as {
      readonly message: object
    }
    return told({ _: 'updateEditChannelMessage', pts: 1, ptsCount: 1, message: said })
  }
  expect(edited({})).toMatchObject({ edited_message: { text: 'hello', edit_date: 2 } })
  expect(edited({ editHide: true })).toBeUndefined()
  const media = { _: 'messageMediaGeoLive', geo: { _: 'geoPoint', lat: 1, long: 2 }, period: 900 }
  expect(edited({ editHide: true, message: '', media })).toMatchObject({
    edited_message: { location: { latitude: 1, live_period: 900 }, edit_date: 2 },
  })
})

test('new photos, replies to stories, approved requests, links to folders', () => {
  const photo = {
    _: 'photo',
    id: Long.ONE,
    accessHash: Long.ONE,
    fileReference: new Uint8Array(),
    dcId: 2,
    date: 1,
    sizes: [{ _: 'photoSize', type: 'c', w: 640, h: 640, size: 1000 }],
  }
  const action = { _: 'messageActionChatEditPhoto', photo }
  expect(told(message({ _: 'messageService', action }))).toMatchObject({
    message: { new_chat_photo: [{ width: 640, file_size: 1000 }] },
  })
  const peer = { _: 'peerUser', userId: 7 }
  expect(told(message({ replyTo: { _: 'messageReplyStoryHeader', peer, storyId: 4 } }))).toMatchObject({
    message: { reply_to_story: { chat: { id: 7 }, id: 4 } },
  })
  const came = {
    _: 'updateChannelParticipant',
    channelId: 6,
    date: 1,
    actorId: 7,
    userId: 7,
    newParticipant: { _: 'channelParticipant', userId: 7, date: 1 },
    qts: 1,
  }
  expect(told({ ...came, invite: { _: 'chatInvitePublicJoinRequests' } })).toMatchObject({
    chat_member: { via_join_request: true, new_chat_member: { status: 'member' } },
  })
  expect(told({ ...came, viaChatlist: true })).toMatchObject({
    chat_member: { via_chat_folder_invite_link: true },
  })
})

test('own messages, and updates without an equivalent in the Bot API, are dropped', () => {
  expect(told(message({ out: true }))).toBeUndefined()
  expect(told({ _: 'updateUserTyping', userId: 7 })).toBeUndefined()
  expect(
    told({ _: 'updateBotInlineQuery', queryId: Long.ONE, userId: 8, query: '', offset: '' }),
  ).toBeUndefined()
})
