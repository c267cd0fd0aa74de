import type { Message } from 'grammy/types'
import type { PollTerms, PollText } from '../../world/messages/poll.js'
import { createPoll, describePoll, openPoll, stopPoll } from '../../world/messages/polls.js'
import { editMarkup } from '../../world/messages/posting.js'
import { badRequest } from '../../world/refusal.js'
import type { World } from '../../world/world.js'
import { type Call, type Methods, presentChat, required } from '../call.js'
import { Params } from '../params.js'
import { formattedText } from './content.js'
import { buttonsFor } from './editing.js'
import { say } from './sending.js'

/** Upper bound for parsing; the actual limits are checked when the poll is created. */
const UNMEASURED = 4096

export const pollMethods: Methods = {
  sendPoll(call) {
    const terms = termsOf(call)
    const chat = presentChat(call)
    if (chat.kind === 'channel' && !terms.isAnonymous)
      throw badRequest("non-anonymous polls can't be sent to channel chats")
    const poll = createPoll(call.world, call.bot, terms)
    const stored = say(call, { poll: describePoll(call.world, poll) }, { mayBeEphemeral: false })
    openPoll(call.world, stored, poll)
    return stored.message as Message.PollMessage
  },

  stopPoll(call) {
    const messageId = required(call, 'message_id', 'message identifier is not specified')
    const stored = presentChat(call).history.find(messageId)
    if (stored?.message.poll === undefined) throw badRequest('message with poll to stop not found')
    if (stored.changesScreen === true) throw badRequest("poll can't be stopped")
    const markup = buttonsFor(call, stored)
    const poll = stopPoll(call.world, stored, call.bot)
    editMarkup(call.world, stored, markup)
    return poll
  },
}

function termsOf({ world, params }: Call): PollTerms {
  const type = params.text('type') ?? 'regular'
  if (type !== 'regular' && type !== 'quiz') throw badRequest('unsupported poll type specified')
  // The single id was used until Bot API 9.6.
  const correct = params.list('correct_option_ids') ?? [params.integer('correct_option_id')]
  const explanation = formatted(world, params, 'explanation')
  return {
    question: formatted(world, params, 'question'),
    options: (params.list('options') ?? []).map((option) => optionOf(world, option)),
    isAnonymous: params.maybeFlag('is_anonymous') ?? true,
    isQuiz: type === 'quiz',
    allowsMultiple: params.flag('allows_multiple_answers'),
    allowsRevoting: params.maybeFlag('allows_revoting'),
    correctIds: correct.filter((id) => id !== undefined).map(Number),
    explanation: explanation.text === '' ? undefined : explanation,
    openPeriod: params.integer('open_period'),
    closeDate: params.integer('close_date'),
    isClosed: params.flag('is_closed'),
  }
}

function optionOf(world: World, given: unknown): PollText {
  if (typeof given === 'string') return { text: given.trim() }
  if (typeof given !== 'object' || given === null) throw badRequest('expected an Array of options')
  return formatted(world, Params.of(given), 'text')
}

/** Keeps all entities in explanations, but only custom emoji in questions and options. */
function formatted(world: World, params: Params, name: 'question' | 'text' | 'explanation'): PollText {
  const { text, entities } = formattedText(world, fieldsOf(params, name), name, UNMEASURED)
  const kept = name === 'explanation' ? entities : entities.filter(({ type }) => type === 'custom_emoji')
  return { text, entities: kept }
}

/** Maps an option's `text_parse_mode` and `text_entities` to the names used for a message. */
function fieldsOf(params: Params, name: string): Params {
  if (name !== 'text') return params
  return Params.of({
    text: params.text('text'),
    parse_mode: params.text('text_parse_mode'),
    entities: params.list('text_entities'),
  })
}
