import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { AccountMethod } from '../rpc.js'
import { badRequest } from '../rpc-error.js'
import { chatOf } from './messages.js'

/** When to ask again whether there is something to promote: there never is. */
const PROMO_HOLDS = 3600

/** What people may set, and here is as Telegram has it for a new account. */
export const SETTINGS = {
  'account.getNotifySettings': ({ account }) => {
    if (account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
    return { _: 'peerNotifySettings', show_previews: true, silent: false, mute_until: 0 }
  },
  'account.getContentSettings': ({ account }) => {
    if (account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
    return { _: 'account.contentSettings' }
  },
  'account.updateStatus': ({ account }) => {
    if (account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
    return true
  },
  /** What a client offers to do about a chat: nothing. */
  'messages.getPeerSettings': ({ server, account, request }) => {
    if (account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
    const chat = chatOf(server, account, request.peer as TlObject)
    const { describer } = server.face
    return {
      _: 'messages.peerSettings',
      settings: { _: 'peerSettings' },
      chats: chat.kind === 'private' ? [] : [describer.chat(account, chat)],
      users: chat.kind === 'private' ? [describer.user(account, chat.bot.user)] : [],
    }
  },
  /** Of Telegram's own sets, such as for dice, there is none. */
  'messages.getStickerSet': ({ server, request }) => {
    const { short_name: name } = request.stickerset as TlObject
    if (typeof name !== 'string' || server.world.stickerSets.find(name) === undefined)
      throw badRequest('STICKERSET_INVALID')
    throw badRequest('METHOD_NOT_IMPLEMENTED: messages.getStickerSet')
  },
  'help.getPromoData': ({ server, account }) => {
    if (account.kind === 'bot') throw badRequest('BOT_METHOD_INVALID')
    return { _: 'help.promoDataEmpty', expires: server.world.date() + PROMO_HOLDS }
  },
} as const satisfies Record<string, AccountMethod>
