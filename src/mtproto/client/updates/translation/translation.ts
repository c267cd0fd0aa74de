import type { tl } from '@mtcute/core'
import type { Update, User } from 'grammy/types'
import {
  inlineQueryOf,
  joinRequestOf,
  pollUpdateOf,
  reactionCountOf,
  reactionOf,
  stopOf,
  tapOf,
  voteOf,
} from './events.js'
import { chosenOf, inlineTapOf } from './inline.js'
import { membershipOf } from './members.js'
import { messageOf } from './messages.js'
import { checkoutOf, shippingOf } from './payments.js'
import { chatOf, type Peers } from './people.js'

export type { Peers } from './people.js'

/**
 * Numbers of bridged updates begin here: above what Telegram counts to (it numbers updates in 32 bits), and below 2^53 with room for four
 * million updates a second for ten years.
 */
const FIRST_ID = 2 ** 52

type Told = Omit<Update, 'update_id'>

/** What of an MTProto update the Bot API has a word for, as a Bot API update. */
export class Translation {
  #next: number

  /** Numbers rise over restarts as well: `once` and webhooks take a number that was there for a duplicate. */
  constructor(
    now: number,
    private readonly me: () => User,
  ) {
    this.#next = FIRST_ID + Math.floor(now / 1000) * 4096
  }

  /** Undefined for what the Bot API does not know, and for what the account itself wrote. */
  update(update: tl.TypeUpdate, peers: Peers): Update | undefined {
    const told = this.#told(update, peers)
    return told === undefined ? undefined : { update_id: this.#next++, ...told }
  }

  #told(update: tl.TypeUpdate, peers: Peers): Told | undefined {
    switch (update._) {
      case 'updateNewMessage':
      case 'updateNewChannelMessage':
        return this.#message(update.message, peers, false)
      case 'updateEditMessage':
      case 'updateEditChannelMessage':
        return this.#message(update.message, peers, true)
      case 'updateBotCallbackQuery':
        return tapOf(update, peers)
      case 'updateBotInlineQuery':
        return inlineQueryOf(update, peers)
      case 'updateBotInlineSend':
        return chosenOf(update, peers)
      case 'updateInlineBotCallbackQuery':
        return inlineTapOf(update, peers)
      case 'updateBotPrecheckoutQuery':
        return checkoutOf(update, peers)
      case 'updateBotShippingQuery':
        return shippingOf(update, peers)
      case 'updateChannelParticipant': {
        const chat = chatOf({ _: 'peerChannel', channelId: update.channelId }, peers)
        const told = chat && membershipOf(update, chat, peers)
        if (told === undefined) return undefined
        return update.userId === this.me().id ? { my_chat_member: told } : { chat_member: told }
      }
      case 'updateBotStopped':
        return stopOf(update, this.me(), peers)
      case 'updateBotChatInviteRequester':
        return joinRequestOf(update, peers)
      case 'updateBotMessageReaction':
        return reactionOf(update, peers)
      case 'updateBotMessageReactions':
        return reactionCountOf(update, peers)
      case 'updateMessagePoll':
        return pollUpdateOf(update)
      case 'updateMessagePollVote':
        return voteOf(update, peers)
      default:
        return undefined
    }
  }

  #message(message: tl.TypeMessage, peers: Peers, isEdit: boolean): Told | undefined {
    if (message._ === 'messageEmpty' || message.out === true) return undefined
    const described = messageOf(message, peers)
    if (described === undefined) return undefined
    const kind = described.chat.type === 'channel' ? 'channel_post' : 'message'
    return { [isEdit ? `edited_${kind}` : kind]: described }
  }
}
