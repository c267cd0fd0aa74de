import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { AccountMethod } from '../call.js'
import { badRequest } from '../rpc-error.js'
import { forPeople } from './shared/for-people.js'
import { chatOf } from './shared/input-peers.js'

/** In seconds, until the client asks again for promoted content, of which there is none. */
const PROMO_HOLDS = 3600

/** Settings of an account, with Telegram's values for a new account. */
export const SETTINGS = {
  ...forPeople({
    'account.getNotifySettings': () => ({
      _: 'peerNotifySettings',
      show_previews: true,
      silent: false,
      mute_until: 0,
    }),
    'account.getContentSettings': () => ({ _: 'account.contentSettings' }),
    'account.updateStatus': () => true,
    /** Suggested actions for a chat: none. */
    'messages.getPeerSettings': ({ centre, account, request }) => {
      const chat = chatOf(centre, account, request.peer as TlObject)
      const { describer } = centre.view
      return {
        _: 'messages.peerSettings',
        settings: { _: 'peerSettings' },
        chats: chat.kind === 'private' ? [] : [describer.chat(account, chat)],
        users: chat.kind === 'private' ? [describer.user(account, chat.bot.user)] : [],
      }
    },
    'help.getPromoData': ({ centre }) => ({
      _: 'help.promoDataEmpty',
      expires: centre.world.date() + PROMO_HOLDS,
    }),
  }),
  /** Telegram's own sets, such as that for dice, do not exist here. */
  'messages.getStickerSet': ({ centre, request }) => {
    const { short_name: name } = request.stickerset as TlObject
    if (typeof name !== 'string' || centre.world.stickerSets.find(name) === undefined)
      throw badRequest('STICKERSET_INVALID')
    throw badRequest('METHOD_NOT_IMPLEMENTED: messages.getStickerSet')
  },
} as const satisfies Record<string, AccountMethod>
