import type { tl } from '@mtcute/core'
import type { Update } from 'grammy/types'
import { type Peers, userOf } from './people.js'

type Told = Omit<Update, 'update_id'>

/** A user has picked a result of an inline query. */
export function chosenOf(chosen: tl.RawUpdateBotInlineSend, peers: Peers): Told | undefined {
  const from = userOf(chosen.userId, peers)
  if (from === undefined) return undefined
  const { geo } = chosen
  return {
    chosen_inline_result: {
      result_id: chosen.id,
      from,
      query: chosen.query,
      ...(geo?._ === 'geoPoint' && { location: { latitude: geo.lat, longitude: geo.long } }),
      ...(chosen.msgId !== undefined && { inline_message_id: inlineIdOf(chosen.msgId) }),
    },
  }
}

/** A callback query on a message sent by way of the bot. */
export function inlineTapOf(tap: tl.RawUpdateInlineBotCallbackQuery, peers: Peers): Told | undefined {
  const from = userOf(tap.userId, peers)
  if (from === undefined) return undefined
  return {
    callback_query: {
      id: tap.queryId.toString(),
      from,
      inline_message_id: inlineIdOf(tap.msgId),
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
