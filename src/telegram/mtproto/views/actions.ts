import type { Message } from 'grammy/types'
import { CHANNEL_MARK } from '../../../mtproto/protocol/chat-ids.js'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import { isService } from '../../world/messages/service-messages.js'
import { peerOf } from './peers.js'

/** Converts a service message to an action (https://core.telegram.org/type/MessageAction); undefined for other messages. */
export function actionOf(message: Message): TlObject | undefined {
  const { new_chat_members: joined, left_chat_member: left, from } = message
  if (joined !== undefined)
    return { _: 'messageActionChatAddUser', users: joined.map(({ id }) => BigInt(id)) }
  if (left !== undefined) return { _: 'messageActionChatDeleteUser', user_id: BigInt(left.id) }
  if (message.pinned_message !== undefined) return { _: 'messageActionPinMessage' }
  const { new_chat_title: title, migrate_to_chat_id: to, migrate_from_chat_id: of } = message
  if (title !== undefined) return { _: 'messageActionChatEditTitle', title }
  if (message.delete_chat_photo === true) return { _: 'messageActionChatDeletePhoto' }
  if (to !== undefined) return { _: 'messageActionChatMigrateTo', channel_id: BigInt(-to - CHANNEL_MARK) }
  if (of !== undefined) {
    const called = 'title' in message.chat ? (message.chat.title ?? '') : ''
    return { _: 'messageActionChannelMigrateFrom', title: called, chat_id: BigInt(-of) }
  }
  if (message.group_chat_created === true) {
    const called = 'title' in message.chat ? (message.chat.title ?? '') : ''
    return { _: 'messageActionChatCreate', title: called, users: from === undefined ? [] : [BigInt(from.id)] }
  }
  const timer = message.message_auto_delete_timer_changed
  if (timer !== undefined) return { _: 'messageActionSetMessagesTTL', period: timer.message_auto_delete_time }
  // Other service messages have no action here, but must not appear as ordinary messages.
  return (
    paymentAction(message) ??
    topicAction(message) ??
    (isService(message) ? { _: 'messageActionEmpty' } : undefined)
  )
}

function paymentAction({
  successful_payment: paid,
  refunded_payment: refunded,
  chat,
}: Message): TlObject | undefined {
  const told = paid ?? refunded
  if (told === undefined) return undefined
  return {
    ...(paid === undefined
      ? { _: 'messageActionPaymentRefunded', peer: peerOf(chat.id) }
      : { _: 'messageActionPaymentSentMe' }),
    currency: told.currency,
    total_amount: BigInt(told.total_amount),
    payload: Buffer.from(told.invoice_payload),
    charge: {
      _: 'paymentCharge',
      id: told.telegram_payment_charge_id,
      provider_charge_id: told.provider_payment_charge_id ?? '',
    },
    ...(paid?.shipping_option_id !== undefined && { shipping_option_id: paid.shipping_option_id }),
  }
}

function topicAction(message: Message): TlObject | undefined {
  const { forum_topic_created: created, forum_topic_edited: edited } = message
  if (created !== undefined) {
    return {
      _: 'messageActionTopicCreate',
      title: created.name,
      icon_color: created.icon_color,
      ...iconOf(created.icon_custom_emoji_id),
    }
  }
  if (edited !== undefined) {
    return {
      _: 'messageActionTopicEdit',
      ...(edited.name !== undefined && { title: edited.name }),
      ...iconOf(edited.icon_custom_emoji_id),
    }
  }
  if (message.forum_topic_closed !== undefined) return { _: 'messageActionTopicEdit', closed: true }
  if (message.forum_topic_reopened !== undefined) return { _: 'messageActionTopicEdit', closed: false }
  if (message.general_forum_topic_hidden !== undefined) return { _: 'messageActionTopicEdit', hidden: true }
  if (message.general_forum_topic_unhidden !== undefined)
    return { _: 'messageActionTopicEdit', hidden: false }
  return undefined
}

/** An empty id means no icon, which is 0 in MTProto. */
function iconOf(id: string | undefined): { readonly icon_emoji_id?: bigint } {
  return id === undefined ? {} : { icon_emoji_id: id === '' ? 0n : BigInt(id) }
}
