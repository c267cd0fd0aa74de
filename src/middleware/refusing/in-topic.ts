import type { Context } from 'grammy'
import { PLAIN } from './plain.js'

/** Options of a plain message in the topic of an update, which is a topic of a forum or of the direct messages of a channel. */
export function inTopic({ msg }: Context): typeof PLAIN & {
  readonly message_thread_id?: number
  readonly direct_messages_topic_id?: number
} {
  const thread = msg?.is_topic_message === true && msg.message_thread_id
  const direct = msg?.direct_messages_topic?.topic_id
  return {
    ...PLAIN,
    ...(typeof thread === 'number' && { message_thread_id: thread }),
    ...(typeof direct === 'number' && { direct_messages_topic_id: direct }),
  }
}
