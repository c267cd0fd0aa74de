import type { tl } from '@mtcute/core'
import type { ChatMember, Poll, ReactionType, User } from 'grammy/types'
import { entitiesOf } from './entities.js'
import { inviteOf } from './members.js'
import { CHANNEL, chatOf, type Peers, type Told, userOf } from './people.js'

export function joinRequestOf(asked: tl.RawUpdateBotChatInviteRequester, peers: Peers): Told | undefined {
  const from = userOf(asked.userId, peers)
  const chat = chatOf(asked.peer, peers)
  if (from === undefined || (chat?.type !== 'supergroup' && chat?.type !== 'channel')) return undefined
  const link = inviteOf(asked.invite, peers)
  return {
    chat_join_request: {
      chat,
      from,
      user_chat_id: from.id,
      date: asked.date,
      ...(asked.about !== '' && { bio: asked.about }),
      ...(link !== undefined && { invite_link: link }),
      ...(asked.queryId !== undefined && { query_id: asked.queryId.toString() }),
    },
  }
}

/** A user has stopped or restarted the bot; in the Bot API this is a change of the bot's own membership in the private chat. */
export function stopOf(stopped: tl.RawUpdateBotStopped, me: User, peers: Peers): Told | undefined {
  const from = userOf(stopped.userId, peers)
  const chat = chatOf({ _: 'peerUser', userId: stopped.userId }, peers)
  if (from === undefined || chat === undefined) return undefined
  const as = (out: boolean): ChatMember =>
    out ? { user: me, status: 'kicked', until_date: 0 } : { user: me, status: 'member' }
  return {
    my_chat_member: {
      chat,
      from,
      date: stopped.date,
      old_chat_member: as(!stopped.stopped),
      new_chat_member: as(stopped.stopped),
    },
  }
}

export function reactionOf(update: tl.RawUpdateBotMessageReaction, peers: Peers): Told | undefined {
  const chat = chatOf(update.peer, peers)
  const user = update.actor._ === 'peerUser' ? userOf(update.actor.userId, peers) : undefined
  const actor = update.actor._ === 'peerUser' ? undefined : chatOf(update.actor, peers)
  if (chat === undefined || (user === undefined && actor === undefined)) return undefined
  return {
    message_reaction: {
      chat,
      message_id: update.msgId,
      date: update.date,
      ...(user !== undefined && { user }),
      ...(actor !== undefined && { actor_chat: actor }),
      old_reaction: update.oldReactions.flatMap(oneReaction),
      new_reaction: update.newReactions.flatMap(oneReaction),
    },
  }
}

export function reactionCountOf(update: tl.RawUpdateBotMessageReactions, peers: Peers): Told | undefined {
  const chat = chatOf(update.peer, peers)
  if (chat === undefined) return undefined
  const reactions = update.reactions.flatMap(({ reaction, count }) =>
    oneReaction(reaction).map((type) => ({ type, total_count: count })),
  )
  return { message_reaction_count: { chat, message_id: update.msgId, date: update.date, reactions } }
}

/** Empty for reactions that the Bot API does not have. */
function oneReaction(reaction: tl.TypeReaction): ReactionType[] {
  switch (reaction._) {
    case 'reactionEmoji':
      // Telegram decides which emoji are valid; here it is any text.
      return [
        { type: 'emoji', emoji: reaction.emoticon as Extract<ReactionType, { type: 'emoji' }>['emoji'] },
      ]
    case 'reactionCustomEmoji':
      return [{ type: 'custom_emoji', custom_emoji_id: reaction.documentId.toString() }]
    case 'reactionPaid':
      return [{ type: 'paid' }]
    default:
      return []
  }
}

/** Undefined if the update lacks the poll itself, because the options then have no texts. */
export function pollUpdateOf({ poll, results }: tl.RawUpdateMessagePoll): Told | undefined {
  return poll === undefined ? undefined : { poll: pollOf(poll, results) }
}

export function pollOf(poll: tl.RawPoll, results: tl.TypePollResults): Poll {
  const counted = new Map((results.results ?? []).map((each) => [keyOf(each.option), each] as const))
  const answers = poll.answers.filter((answer) => answer._ === 'pollAnswer')
  const correct = answers.flatMap(({ option }, nth) =>
    counted.get(keyOf(option))?.correct === true ? [nth] : [],
  )
  const question = entitiesOf(poll.question.entities)
  const explanation = entitiesOf(results.solutionEntities)
  return {
    id: poll.id.toString(),
    question: poll.question.text,
    ...(question.length > 0 && { question_entities: question }),
    options: answers.map(({ text, option }, nth) => {
      const entities = entitiesOf(text.entities)
      return {
        persistent_id: String(nth),
        text: text.text,
        ...(entities.length > 0 && { text_entities: entities }),
        voter_count: counted.get(keyOf(option))?.voters ?? 0,
      }
    }),
    total_voter_count: results.totalVoters ?? 0,
    is_closed: poll.closed === true,
    is_anonymous: poll.publicVoters !== true,
    type: poll.quiz === true ? 'quiz' : 'regular',
    allows_multiple_answers: poll.multipleChoice === true,
    allows_revoting: poll.revotingDisabled !== true,
    members_only: poll.subscribersOnly === true,
    ...(correct.length > 0 && { correct_option_ids: correct }),
    ...(results.solution !== undefined && { explanation: results.solution }),
    ...(explanation.length > 0 && { explanation_entities: explanation }),
    ...(poll.closePeriod !== undefined && { open_period: poll.closePeriod }),
    ...(poll.closeDate !== undefined && { close_date: poll.closeDate }),
  } as Poll
}

function keyOf(option: Uint8Array): string {
  return [...option].join(' ')
}

export function voteOf(vote: tl.RawUpdateMessagePollVote, peers: Peers): Told | undefined {
  const user = vote.peer._ === 'peerUser' ? userOf(vote.peer.userId, peers) : undefined
  const voter = vote.peer._ === 'peerUser' ? undefined : chatOf(vote.peer, peers)
  if (user === undefined && voter === undefined) return undefined
  return {
    poll_answer: {
      poll_id: vote.pollId.toString(),
      ...(user !== undefined && { user }),
      ...(voter !== undefined && { user: CHANNEL, voter_chat: voter }),
      option_ids: [...vote.positions],
      option_persistent_ids: vote.positions.map(String),
    },
  } as Told
}
