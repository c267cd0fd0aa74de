import { randomInt } from 'node:crypto'
import type { MessageEntity, Poll } from 'grammy/types'
import { type Account, CHANNEL_BOT, type PersonAccount } from '../accounts.js'
import { describeChat, type SharedChat, type StoredMessage } from '../chats/chats.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import type { PollTerms, PollText, WorldPoll } from './poll.js'

/** Limits of sendPoll in the Bot API. */
const LONGEST = { question: 300, option: 100, explanation: 200, options: 12, period: 2_628_000 }

/** Creates a poll that is not in any message yet. */
export function createPoll(world: World, author: Account, terms: PollTerms): WorldPoll {
  checkTerms(world, terms)
  const closes =
    terms.closeDate ?? (terms.openPeriod === undefined ? undefined : world.date() + terms.openPeriod)
  return {
    id: `5${String(randomInt(0, 2 ** 47)).padStart(18, '0')}`,
    terms,
    author,
    closesAt: closes === undefined ? undefined : closes * 1000,
    votes: new Map(),
    isClosed: terms.isClosed === true,
  }
}

function checkTerms(world: World, terms: PollTerms): void {
  const { question, options, explanation, openPeriod, closeDate } = terms
  checkText('question', question, LONGEST.question)
  if (options.length === 0) throw badRequest('poll must have at least 1 option')
  if (options.length > LONGEST.options)
    throw badRequest(`poll can't have more than ${LONGEST.options} options`)
  for (const option of options) checkText('options', option, LONGEST.option)
  const correct = terms.correctIds ?? []
  const isOption = (id: number) => Number.isInteger(id) && id >= 0 && id < options.length
  if (terms.isQuiz && (correct.length === 0 || !correct.every(isOption)))
    throw badRequest('wrong correct option ID specified')
  if ((explanation?.text.length ?? 0) > LONGEST.explanation) throw badRequest('poll explanation is too long')
  const period = openPeriod ?? (closeDate === undefined ? undefined : closeDate - world.date())
  if (period === undefined) return
  if (openPeriod !== undefined && closeDate !== undefined)
    throw badRequest("open_period and close_date can't be specified simultaneously")
  if (period < 5 || period > LONGEST.period) throw badRequest('poll open period is invalid')
}

function checkText(what: 'question' | 'options', { text }: PollText, most: number): void {
  if (text.trim() === '') throw badRequest(`poll ${what} must be non-empty`)
  if (text.length > most) throw badRequest(`poll ${what} length must not exceed ${most}`)
}

/** Who votes, and the chat in whose name, if not in their own. */
interface Voter {
  readonly person: PersonAccount
  readonly voice: SharedChat | undefined
}

/** Votes in a poll; no options retract the vote. */
export function vote(
  world: World,
  stored: StoredMessage,
  { person, voice }: Voter,
  chosen: readonly number[],
): void {
  const voterId = voice?.id ?? person.id
  const poll = pollOf(world, stored)
  if (poll === undefined) throw badRequest('MESSAGE_ID_INVALID')
  const { terms } = poll
  if (isClosed(world, poll)) throw badRequest('MESSAGE_POLL_CLOSED')
  if (new Set(chosen).size !== chosen.length || chosen.some((id) => terms.options[id] === undefined))
    throw badRequest('OPTION_INVALID')
  if (chosen.length > 1 && !terms.allowsMultiple) throw badRequest('OPTIONS_TOO_MUCH')
  if (poll.votes.has(voterId) && !allowsRevoting(terms)) throw badRequest('REVOTE_NOT_ALLOWED')
  if (chosen.length === 0) {
    if (!poll.votes.delete(voterId)) throw badRequest('there is no vote to take back')
  } else
    poll.votes.set(
      voterId,
      [...chosen].sort((a, b) => a - b),
    )
  // The message with which people vote is refreshed, even if it is an old forward.
  notePollIn(world, stored)
  refresh(world, poll)
  // A bot gets updates only about its own polls, and about voters only if the poll is not anonymous.
  if (poll.author.kind !== 'bot') return
  world.emit(poll.author, 'poll', describePoll(world, poll, stored))
  if (terms.isAnonymous) return
  const option_ids = [...(poll.votes.get(voterId) ?? [])]
  world.emit(poll.author, 'poll_answer', {
    poll_id: poll.id,
    // In place of the person, a chat has the user that Telegram names for bots which do not know `voter_chat`.
    ...(voice === undefined ? { user: person.user } : { user: CHANNEL_BOT, voter_chat: describeChat(voice) }),
    option_ids,
    option_persistent_ids: option_ids.map(String),
  })
}

/** Stores a poll and schedules its closing, of which its author gets an update. */
export function openPoll(world: World, stored: StoredMessage, poll: WorldPoll): void {
  world.polls.keep(poll.id, poll)
  if (poll.closesAt === undefined || poll.isClosed) return
  poll.callOffClosing = world.clock.at(poll.closesAt, () => {
    poll.isClosed = true
    refresh(world, poll)
    if (poll.author.kind === 'bot') world.emit(poll.author, 'poll', describePoll(world, poll, stored))
  })
}

/** Stops a poll; all bots in the chat get an update, whoever its author is. */
export function stopPoll(world: World, stored: StoredMessage, author: Account): Poll {
  const poll = pollOf(world, stored)
  if (poll === undefined) throw badRequest('message with poll to stop not found')
  if (poll.author !== author) throw badRequest("poll can't be stopped")
  if (isClosed(world, poll)) throw badRequest('poll has already been closed')
  poll.isClosed = true
  poll.callOffClosing?.()
  refresh(world, poll)
  const described = describePoll(world, poll, stored)
  for (const bot of world.botsIn(stored.chat)) world.emit(bot, 'poll', described)
  return described
}

/** Undefined for polls from raw updates, and for polls that were dropped. */
function pollOf(world: World, { message }: StoredMessage): WorldPoll | undefined {
  return message.poll === undefined ? undefined : world.polls.get(message.poll.id)
}

function isClosed(world: World, poll: WorldPoll): boolean {
  return poll.isClosed || (poll.closesAt !== undefined && world.clock.now() >= poll.closesAt)
}

function allowsRevoting({ allowsRevoting, isQuiz }: PollTerms): boolean {
  return allowsRevoting ?? !isQuiz
}

/** Maximum number of messages refreshed per poll; otherwise votes in a poll that is forwarded often would become ever slower. */
const MOST_SHOWN = 500

/** Notes that a message shows a poll, which forwards do, too. Beyond the bound the oldest forwards are no longer refreshed. */
export function notePollIn(world: World, stored: StoredMessage): void {
  const id = stored.message.poll?.id
  if (id === undefined) return
  const messages = world.pollMessages.get(id)
  if (messages === undefined) world.pollMessages.keep(id, new Set([stored]))
  else messages.add(stored)
  if (messages === undefined || messages.size <= MOST_SHOWN) return
  // The first one is the original message, which is always refreshed.
  const [, oldest] = messages
  if (oldest !== undefined) messages.delete(oldest)
}

/** Updates the poll in all messages that show it; this does not count as an edit. */
function refresh(world: World, poll: WorldPoll): void {
  const messages = world.pollMessages.get(poll.id)
  for (const stored of messages ?? []) {
    const isThere = stored.chat.history.find(stored.message.message_id) === stored
    if (stored.message.poll?.id !== poll.id || !isThere) {
      messages?.delete(stored)
      continue
    }
    stored.message = { ...stored.message, poll: describePoll(world, poll, stored) }
    world.noteOrder(stored)
  }
}

/**
 * Converts a poll to the Bot API's Poll. The correct answer of a quiz is shown in a bot's own poll, in private chats, and once
 * the poll is closed.
 */
export function describePoll(world: World, poll: WorldPoll, where?: Pick<StoredMessage, 'chat'>): Poll {
  const { terms, votes } = poll
  const closed = isClosed(world, poll)
  const reveals = closed || poll.author.kind === 'bot' || where?.chat.kind === 'private'
  const chosen = [...votes.values()].flat()
  const { question, explanation } = terms
  return {
    id: poll.id,
    question: question.text,
    ...entitiesOf('question_entities', question),
    options: terms.options.map((option, index) => ({
      persistent_id: String(index),
      text: option.text,
      ...entitiesOf('text_entities', option),
      voter_count: chosen.filter((id) => id === index).length,
    })),
    total_voter_count: votes.size,
    is_closed: closed,
    is_anonymous: terms.isAnonymous,
    type: terms.isQuiz ? 'quiz' : 'regular',
    allows_multiple_answers: terms.allowsMultiple,
    allows_revoting: allowsRevoting(terms),
    members_only: false,
    ...(terms.isQuiz && reveals && { correct_option_ids: [...(terms.correctIds ?? [])] }),
    ...(explanation !== undefined &&
      reveals && { explanation: explanation.text, ...entitiesOf('explanation_entities', explanation) }),
    ...(terms.openPeriod !== undefined && { open_period: terms.openPeriod }),
    ...(poll.closesAt !== undefined && { close_date: poll.closesAt / 1000 }),
  }
}

function entitiesOf<Name extends string>(name: Name, { entities = [] }: PollText) {
  return entities.length === 0 ? {} : ({ [name]: entities } as { [Key in Name]: MessageEntity[] })
}
