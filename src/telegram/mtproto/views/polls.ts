import type { MessageEntity, Poll } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import { entitiesOf } from './entities.js'

/** What is asked (https://core.telegram.org/constructor/poll). */
export function pollOf(poll: Poll): TlObject {
  return {
    _: 'poll',
    id: BigInt(poll.id),
    closed: poll.is_closed,
    public_voters: !poll.is_anonymous,
    multiple_choice: poll.allows_multiple_answers,
    quiz: poll.type === 'quiz',
    revoting_disabled: !poll.allows_revoting,
    question: textOf(poll.question, poll.question_entities),
    answers: poll.options.map(({ text, text_entities }, nth) => ({
      _: 'pollAnswer',
      text: textOf(text, text_entities),
      option: Buffer.from(String(nth)),
    })),
    ...(poll.open_period !== undefined && { close_period: poll.open_period }),
    ...(poll.close_date !== undefined && { close_date: poll.close_date }),
    hash: 0n,
  }
}

/** What was answered, and in a quiz what is right, as far as the Bot API tells of it. */
export function resultsOf(poll: Poll): TlObject {
  return {
    _: 'pollResults',
    total_voters: poll.total_voter_count,
    results: poll.options.map(({ voter_count }, nth) => ({
      _: 'pollAnswerVoters',
      correct: poll.correct_option_ids?.includes(nth) === true,
      option: Buffer.from(String(nth)),
      voters: voter_count,
      // There if the number is: one flag says so for both.
      recent_voters: [],
    })),
    ...(poll.explanation !== undefined && {
      solution: poll.explanation,
      solution_entities: entitiesOf(poll.explanation_entities),
    }),
  }
}

function textOf(text: string, entities: MessageEntity[] | undefined): TlObject {
  return { _: 'textWithEntities', text, entities: entitiesOf(entities) }
}
