import type { ReactionType } from 'grammy/types'
import { hasRight } from '../../world/chats/members.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, messageIn, presentChat, required, sharedChatOf } from '../call.js'
import { fieldsOf, literalsOf, typeNamed } from '../schema/schema.js'

export const reactionMethods: Methods = {
  /** A bot can set one reaction per message, which causes no update. */
  setMessageReaction(call) {
    const chat = presentChat(call)
    const stored = messageIn(call, chat, 'message to react not found')
    const reactions = (call.params.objects('reaction') ?? []) as unknown as ReactionType[]
    if (reactions.length > 1) throw badRequest('REACTIONS_TOO_MANY')
    if (reactions.some((reaction) => !isAllowed(reaction))) throw badRequest('REACTION_INVALID')
    if (reactions.length === 0) stored.reactions.delete(call.bot.id)
    else stored.reactions.set(call.bot.id, reactions)
    return true
  },

  deleteMessageReaction(call) {
    const stored = messageIn(call, moderatedGroup(call), 'message not found')
    stored.reactions.delete(actorOf(call))
    return true
  },

  deleteAllMessageReactions(call) {
    const chat = moderatedGroup(call)
    const actor = actorOf(call)
    for (const stored of chat.history.all()) stored.reactions.delete(actor)
    return true
  },
}

/** Valid emoji: those listed in the Bot API (ReactionTypeEmoji). */
const emoji = literalsOf(fieldsOf(typeNamed('ReactionTypeEmoji'))?.get('emoji')?.type ?? { kind: 'never' })

/** "Bots can't use paid reactions." */
function isAllowed(reaction: ReactionType): boolean {
  if (reaction.type === 'paid') return false
  return reaction.type !== 'emoji' || emoji?.has(reaction.emoji) === true
}

function moderatedGroup(call: Call) {
  const chat = sharedChatOf(call)
  if (chat.kind !== 'supergroup') throw badRequest('method is available only for supergroups')
  if (!hasRight(call.world.membership(chat, call.bot.id), 'can_delete_messages'))
    throw badRequest('not enough rights to delete reactions')
  return chat
}

function actorOf(call: Call): number {
  const chatId = call.params.integer('actor_chat_id')
  return chatId ?? required(call, 'user_id', 'invalid user_id specified')
}
