import type { tl } from '@mtcute/core'
import type { Message, Update, User } from 'grammy/types'
import { joinRequestOf, pollUpdateOf, reactionCountOf, reactionOf, stopOf, voteOf } from './events.js'
import { membershipOf } from './members.js'
import { messageOf } from './messages.js'
import { checkoutOf, shippingOf } from './payments.js'
import { chatOf, type Peers, type Told } from './people.js'
import { chosenOf, inlineQueryOf, inlineTapOf, tapOf } from './queries.js'

/**
 * First update id of bridged updates: above Telegram's own ids, which have 32 bits, and far enough below 2^53 for four million
 * updates a second for ten years.
 */
const FIRST_ID = 2 ** 52

/** Translates MTProto updates to Bot API updates. */
export class Translation {
  #next: number

  /** Update ids must also increase over restarts: `once` and webhooks treat an id seen before as a duplicate. */
  constructor(
    now: number,
    private readonly me: () => User,
  ) {
    this.#next = FIRST_ID + Math.floor(now / 1000) * 4096
  }

  /** Translates an update; undefined for kinds that the Bot API does not have, and for messages of the account itself. */
  update(update: tl.TypeUpdate, peers: Peers): Update | undefined {
    // TELLING pairs each kind of update with its function, which TypeScript cannot follow.
    const tell = TELLING[update._] as
      | ((update: tl.TypeUpdate, peers: Peers, me: User) => Told | undefined)
      | undefined
    const told = tell?.(update, peers, this.me())
    return told === undefined ? undefined : { update_id: this.#next++, ...told }
  }

  /** Translates a message that another one replies to or pins; undefined if it was deleted. */
  original(message: tl.TypeMessage, peers: Peers): Message | undefined {
    if (message._ === 'messageEmpty') return undefined
    const { reply_to_message: _, ...described } = messageOf(message, peers, this.me()) ?? {}
    return 'message_id' in described ? (described as Message) : undefined
  }
}

/** A message, and its field that holds another message. */
interface Answering {
  readonly message: Message
  readonly field: 'reply_to_message' | 'pinned_message'
}

/** Finds the message of an update, if it replies to or pins another one. */
export function answeringIn(update: Update): Answering | undefined {
  const message = update.message ?? update.edited_message ?? update.channel_post ?? update.edited_channel_post
  if (message?.pinned_message !== undefined) return { message, field: 'pinned_message' }
  return message?.reply_to_message === undefined ? undefined : { message, field: 'reply_to_message' }
}

/** Translating functions by constructor name. */
const TELLING: {
  readonly [Name in tl.TypeUpdate['_']]?: (
    update: Extract<tl.TypeUpdate, { _: Name }>,
    peers: Peers,
    me: User,
  ) => Told | undefined
} = {
  updateNewMessage: ({ message }, peers, me) => written(message, peers, me, false),
  updateNewChannelMessage: ({ message }, peers, me) => written(message, peers, me, false),
  updateEditMessage: edited,
  updateEditChannelMessage: edited,
  updateBotCallbackQuery: tapOf,
  updateInlineBotCallbackQuery: inlineTapOf,
  updateBotInlineQuery: inlineQueryOf,
  updateBotInlineSend: chosenOf,
  updateBotPrecheckoutQuery: checkoutOf,
  updateBotShippingQuery: shippingOf,
  updateChannelParticipant: changedIn,
  updateBotStopped: (update, peers, me) => stopOf(update, me, peers),
  updateBotChatInviteRequester: joinRequestOf,
  updateBotMessageReaction: reactionOf,
  updateBotMessageReactions: reactionCountOf,
  updateMessagePoll: pollUpdateOf,
  updateMessagePollVote: voteOf,
}

/**
 * Telegram marks edits in which nobody changed the content, but somebody reacted, for example. A location that moves may be
 * marked, too, and counts as changed.
 */
function edited(
  { message }: tl.RawUpdateEditMessage | tl.RawUpdateEditChannelMessage,
  peers: Peers,
  me: User,
): Told | undefined {
  if (message._ !== 'message' || message.editHide !== true) return written(message, peers, me, true)
  const hasMoved = message.media?._ === 'messageMediaGeoLive'
  return hasMoved ? written({ ...message, editHide: false }, peers, me, true) : undefined
}

function written(message: tl.TypeMessage, peers: Peers, me: User, isEdit: boolean): Told | undefined {
  if (message._ === 'messageEmpty' || message.out === true) return undefined
  const described = messageOf(message, peers, me)
  if (described === undefined) return undefined
  const kind = described.chat.type === 'channel' ? 'channel_post' : 'message'
  return { [isEdit ? `edited_${kind}` : kind]: described }
}

function changedIn(update: tl.RawUpdateChannelParticipant, peers: Peers, me: User): Told | undefined {
  const chat = chatOf({ _: 'peerChannel', channelId: update.channelId }, peers)
  const told = chat && membershipOf(update, chat, peers)
  if (told === undefined) return undefined
  return update.userId === me.id ? { my_chat_member: told } : { chat_member: told }
}
