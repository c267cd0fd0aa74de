import type { Update } from 'grammy/types'
import type { Facts } from '../../src/core/facts.js'
import type { Activity } from '../../src/core/kinds.js'
import type { Key } from '../../src/core/subject.js'
import type { Act } from './acts.js'
import { CONNECTION } from './forger.js'
import type { Town } from './town.js'

/*
 * Who does what in an update, known from the act that caused it and not from the update itself. Facts are compared with this, so that
 * the model and the guards do not share mistakes of the code that reads updates.
 */

/** The activity of each kind of update, except where the act tells it. */
const ACTIVITY_OF: Partial<Record<string, Activity>> = {
  edited_message: 'edit',
  edited_business_message: 'edit',
  edited_channel_post: 'post',
  callback_query: 'tap',
  inline_query: 'inline',
  chosen_inline_result: 'inline',
  chat_member: 'membership',
  my_chat_member: 'membership',
  message_reaction: 'reaction',
  message_reaction_count: 'service',
  poll: 'service',
  poll_answer: 'vote',
  pre_checkout_query: 'checkout',
  shipping_query: 'checkout',
  purchased_paid_media: 'payment',
  subscription: 'payment',
  chat_boost: 'service',
  deleted_business_messages: 'service',
}
/** Kinds of update that do not tell where something happens. */
const NOWHERE: ReadonlySet<string> = new Set([
  ...['inline_query', 'chosen_inline_result', 'poll', 'poll_answer'],
  ...['pre_checkout_query', 'shipping_query', 'purchased_paid_media', 'subscription'],
])
/** Kinds of update in which nobody acts. */
const BY_NOBODY: ReadonlySet<string> = new Set([
  ...['poll', 'message_reaction_count', 'deleted_business_messages'],
])
const IN_THE_CHANNEL: readonly Act['does'][] = [
  'posts',
  'posts and edits',
  'posts an album',
  'reacts to a post',
]

export interface ExpectedFacts {
  readonly activity: Activity
  readonly actor: Key | undefined
  readonly chatId: number | undefined
  readonly connection: string | undefined
  readonly command: string | undefined
}

/** What the facts of an update must be that an act has caused. */
export function expectedFacts(town: Town, act: Act, update: Update): ExpectedFacts {
  const kind = Object.keys(update).find((name) => name !== 'update_id') as string
  const isPost = kind === 'channel_post' || update.message?.is_automatic_forward === true
  const command =
    isPost || / (?:message)$/.test(` ${kind.split('_').at(-1)}`) ? commandOf(act, update) : undefined
  const isEdited = kind.startsWith('edited') && act.does === 'posts and edits'
  const activity = isEdited
    ? 'post'
    : (ACTIVITY_OF[kind] ?? messageActivity(act, update, isPost && command === undefined))
  return {
    activity,
    actor: BY_NOBODY.has(kind) ? undefined : actorOf(town, act, update),
    chatId: NOWHERE.has(kind) ? undefined : placeOf(town, act, kind),
    connection: connectionOf(town, act),
    command: activity === 'message' ? command : undefined,
  }
}

/** Chooses from the facts what is compared. */
export function comparedFacts({ activity, actor, chatId, connection, command }: Facts): ExpectedFacts {
  return { activity, actor, chatId, connection, command }
}

function messageActivity({ does }: Act, { message }: Update, isPost: boolean): Activity {
  if (isPost) return 'post'
  if (does === 'pays' || does === 'gets the money back') return 'payment'
  if (does === 'is answered for a business' || does === 'leaves and joins') return 'service'
  return does === 'pins a message' && message?.text === undefined ? 'service' : 'message'
}

/** Stories have no text or caption that only contains a command. */
function commandOf(act: Act, { message }: Update): string | undefined {
  const words =
    'text' in act ? act.text : 'caption' in act && message?.caption !== undefined ? act.caption : ''
  return act.does !== 'picks a result' && words?.startsWith('/') ? words.slice(1) : undefined
}

function actorOf(town: Town, act: Act, { message }: Update): Key | undefined {
  switch (act.does) {
    case 'speaks anonymously':
    case 'reacts anonymously':
    case 'votes anonymously':
      return town.key('anonymous')
    case 'posts':
    case 'posts and edits':
    case 'posts an album':
    case 'speaks as the channel':
    case 'reacts as the channel':
    case 'votes as the channel':
      return town.key('channel')
    case 'reacts to a post':
      return undefined
    case 'gets the money back':
      return message?.refunded_payment === undefined ? town.key(act.who) : town.botKey
    default:
      return town.key(act.who)
  }
}

function placeOf(town: Town, act: Act, kind: string): number | undefined {
  if (IN_THE_CHANNEL.includes(act.does))
    return kind === 'message' || kind === 'edited_message' ? town.group.id : town.channel.id
  if (act.does === 'boosts the channel') return town.channel.id
  const inPrivate =
    'where' in act ? act.where === 'private' : 'who' in act && !IN_THE_GROUP.includes(act.does)
  return inPrivate && 'who' in act ? town.people[act.who]?.id : town.group.id
}

const IN_THE_GROUP: readonly Act['does'][] = ['reacts', 'votes', 'leaves and joins', 'picks a result']

/** Chats of a business account and of other people are told apart from the bot's own. */
function connectionOf(town: Town, act: Act): string | undefined {
  if (act.does === 'summons the guest bot') return `guest-${town.people[act.who]?.id}`
  return act.does.includes('business') ? CONNECTION : undefined
}
