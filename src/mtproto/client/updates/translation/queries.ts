import type { tl } from '@mtcute/core'
import type { Update } from 'grammy/types'
import { chatOf, type Peers, type Told, userOf } from './people.js'

const CHAT_TYPES: Readonly<Record<string, NonNullable<Update['inline_query']>['chat_type']>> = {
  inlineQueryPeerTypeSameBotPM: 'sender',
  inlineQueryPeerTypePM: 'private',
  inlineQueryPeerTypeChat: 'group',
  inlineQueryPeerTypeMegagroup: 'supergroup',
  inlineQueryPeerTypeBroadcast: 'channel',
}

export function inlineQueryOf(asked: tl.RawUpdateBotInlineQuery, peers: Peers): Told | undefined {
  const from = userOf(asked.userId, peers)
  if (from === undefined) return undefined
  const type = asked.peerType === undefined ? undefined : CHAT_TYPES[asked.peerType._]
  return {
    inline_query: {
      id: asked.queryId.toString(),
      from,
      query: asked.query,
      offset: asked.offset,
      ...(type !== undefined && { chat_type: type }),
      ...placeOf(asked.geo),
    },
  }
}

/** A user has picked a result of an inline query. */
export function chosenOf(chosen: tl.RawUpdateBotInlineSend, peers: Peers): Told | undefined {
  const from = userOf(chosen.userId, peers)
  if (from === undefined) return undefined
  return {
    chosen_inline_result: {
      result_id: chosen.id,
      from,
      query: chosen.query,
      ...placeOf(chosen.geo),
      ...(chosen.msgId !== undefined && { inline_message_id: inlineIdOf(chosen.msgId) }),
    },
  }
}

/** Where an inline query was made, if its user tells. */
function placeOf(geo: tl.TypeGeoPoint | undefined) {
  return geo?._ === 'geoPoint' && { location: { latitude: geo.lat, longitude: geo.long } }
}

/** The message of a callback query is inaccessible, because MTProto gives only its id. */
export function tapOf(tap: tl.RawUpdateBotCallbackQuery, peers: Peers): Told | undefined {
  const chat = chatOf(tap.peer, peers)
  return chat && callbackOf(tap, { message: { message_id: tap.msgId, chat, date: 0 } }, peers)
}

/** A callback query on a message sent by way of the bot. */
export function inlineTapOf(tap: tl.RawUpdateInlineBotCallbackQuery, peers: Peers): Told | undefined {
  return callbackOf(tap, { inline_message_id: inlineIdOf(tap.msgId) }, peers)
}

function callbackOf(
  tap: tl.RawUpdateBotCallbackQuery | tl.RawUpdateInlineBotCallbackQuery,
  tapped: Pick<NonNullable<Update['callback_query']>, 'message' | 'inline_message_id'>,
  peers: Peers,
): Told | undefined {
  const from = userOf(tap.userId, peers)
  if (from === undefined) return undefined
  return {
    callback_query: {
      id: tap.queryId.toString(),
      from,
      ...tapped,
      chat_instance: tap.chatInstance.toString(),
      ...(tap.data !== undefined && { data: new TextDecoder().decode(tap.data) }),
      ...(tap.gameShortName !== undefined && { game_short_name: tap.gameShortName }),
    },
  }
}

/** Encodes an inline_message_id like TDLib, on which the Bot API server is based: the fields in TL encoding, as base64url. */
function inlineIdOf(id: tl.TypeInputBotInlineMessageID): string {
  const bytes = Buffer.alloc(id._ === 'inputBotInlineMessageID' ? 20 : 24)
  bytes.writeInt32LE(id.dcId, 0)
  if (id._ === 'inputBotInlineMessageID') {
    bytes.writeBigInt64LE(big(id.id), 4)
    bytes.writeBigInt64LE(big(id.accessHash), 12)
  } else {
    bytes.writeBigInt64LE(big(id.ownerId), 4)
    bytes.writeInt32LE(id.id, 12)
    bytes.writeBigInt64LE(big(id.accessHash), 16)
  }
  return bytes.toString('base64url')
}

function big(value: { toString(): string }): bigint {
  return BigInt.asIntN(64, BigInt(value.toString()))
}
