import { asFields, type Fields } from './fields.js'

/**
 * Returns a text that distinguishes the topics of a chat, which are conversations of their own: in forums, in private chats and in
 * the direct messages of a channel. It is empty outside topics, also for messages of a thread of replies.
 */
export function topicOf({ is_topic_message, message_thread_id, direct_messages_topic }: Fields): string {
  const id = is_topic_message === true ? message_thread_id : asFields(direct_messages_topic)?.topic_id
  return typeof id === 'number' ? ` ${id}` : ''
}
