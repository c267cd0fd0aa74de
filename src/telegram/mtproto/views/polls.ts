import type { MessageEntity, Poll } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import { entitiesOf } from './entities.js'

/** Converts a poll's question and options (https://core.telegram.org/constructor/poll). */
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

/** Converts a poll's results, including a quiz's correct answers if the Bot API shows them. */
export function resultsOf(poll: Poll): TlObject {
  return {
    _: 'pollResults',
    total_voters: poll.total_voter_count,
    results: poll.options.map(({ voter_count }, nth) => ({
      _: 'pollAnswerVoters',
      correct: poll.correct_option_ids?.includes(nth) === true,
      option: Buffer.from(String(nth)),
      voters: voter_count,
      // Required together with `voters`, because both depend on one flag.
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
