import type { Facts } from './facts.js'
import { chatKey, type Key, keyText, type Subject, subjectKey, textKey } from './subject.js'

/** Returns the key by which limits count the chat of an update: those of business and guest chats have keys of their own. */
export function chatOf(facts: Facts): Key | undefined {
  return facts.chatId === undefined ? undefined : chatKey(facts.chatId, facts.connection)
}

/**
 * Returns the key under which the marks of a chat are read: blocks, and limits set at run time. They apply to every chat with the
 * id, because a handler that blocks `ctx.chat.id` in a business chat must stop that chat.
 */
export function markedChatOf({ chatId }: Facts): Key | undefined {
  return chatId === undefined ? undefined : chatKey(chatId)
}

/** Returns the key under which the marks of a chat or member are stored: that of {@link markedChatOf}, without a connection. */
export function markedKey(given: Subject): Key {
  return textKey(keyText(subjectKey(given)).replace(/^([cm]\d+)@[\w-]+/, '$1'))
}

/** The scope of {@link markedChatOf} in plans. The scope `chat` is that of {@link chatOf}. */
export const MARKED_CHAT = 'chat.marks'
