import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import type { LoggedEvent } from '../../world/chats/admin-log.js'
import type { SharedChat } from '../../world/chats/chats.js'
import { isAdministrator, isIn } from '../../world/chats/members.js'
import type { DataCentre } from '../data-centre.js'
import { badRequest } from '../rpc-error.js'
import { participantOf } from '../views/participants.js'
import { forPeople } from './shared/for-people.js'
import { limitOf } from './shared/pages.js'

/** Maximum number of events in an answer (https://core.telegram.org/method/channels.getAdminLog). */
const MOST_EVENTS = 100

export const ADMIN_LOG = forPeople({
  'channels.getAdminLog': ({ centre, account, request }) => {
    const { view, world } = centre
    const chat = view.peers.channel(account, request.channel as TlObject)
    if (!isAdministrator(world.membership(chat, account.id))) throw badRequest('CHAT_ADMIN_REQUIRED')
    const admins = (request.admins as readonly TlObject[] | undefined)?.map(
      (input) => view.peers.user(account, input).id,
    )
    const filter = request.events_filter as TlObject | undefined
    const [maxId, minId] = [request.max_id as bigint, request.min_id as bigint]
    const q = (request.q as string).toLowerCase()
    const events = world.adminLog
      .of(chat)
      .filter(({ id }) => (maxId === 0n || id < maxId) && id > minId)
      .filter(({ by }) => admins === undefined || admins.includes(by.id))
      .filter((logged) => filter === undefined || filter[flagOf(logged)] === true)
      .filter((logged) => q === '' || wordsOf(logged).toLowerCase().includes(q))
      .slice(0, limitOf(request, MOST_EVENTS))
    const people = new Map<number, Account>()
    for (const { by, event } of events) {
      people.set(by.id, by)
      if (event.what === 'membership') people.set(event.target.id, event.target)
    }
    return {
      _: 'channels.adminLogResults',
      events: events.map((logged) => eventOf(centre, account, chat, logged)),
      chats: [view.describer.chat(account, chat)],
      users: [...people.values()].map(({ user }) => view.describer.user(account, user)),
    }
  },
})

/** The flag of `channelAdminLogEventsFilter` that selects the entry. */
function flagOf({ by, event }: LoggedEvent): string {
  switch (event.what) {
    case 'membership': {
      const { before, after, target } = event
      if (isAdministrator(after)) return 'promote'
      if (isAdministrator(before)) return 'demote'
      if (after.status === 'kicked') return 'kick'
      if (before.status === 'kicked') return 'unkick'
      if (after.status === 'restricted') return 'ban'
      if (before.status === 'restricted') return 'unban'
      if (isIn(after)) return by === target ? 'join' : 'invite'
      return by === target ? 'leave' : 'kick'
    }
    case 'edited':
      return 'edit'
    case 'deleted':
      return 'delete'
    case 'pinned':
      return 'pinned'
    case 'title':
    case 'about':
      return 'info'
    default:
      return 'settings'
  }
}

function wordsOf({ by, event }: LoggedEvent): string {
  const { first_name, username = '' } = by.user
  const about = 'stored' in event ? (event.stored.message.text ?? event.stored.message.caption ?? '') : ''
  const target = event.what === 'membership' ? event.target.user.first_name : ''
  return `${first_name} ${username} ${target} ${about}`
}

function eventOf(
  centre: DataCentre,
  viewer: Account,
  chat: SharedChat,
  { id, date, by, event }: LoggedEvent,
): TlObject {
  const action = actionOf(centre, viewer, chat, by, event)
  return { _: 'channelAdminLogEvent', id: BigInt(id), date, user_id: BigInt(by.id), action }
}

function actionOf(
  { view, world }: DataCentre,
  viewer: Account,
  chat: SharedChat,
  by: Account,
  event: LoggedEvent['event'],
): TlObject {
  const action = (name: string, fields: Omit<TlObject, '_'> = {}): TlObject => ({
    ...fields,
    _: `channelAdminLogEventAction${name}`,
  })
  switch (event.what) {
    case 'membership': {
      const { target, before, after } = event
      const prev_participant = participantOf(world, viewer, chat, target, before)
      const new_participant = participantOf(world, viewer, chat, target, after)
      const both = { prev_participant, new_participant }
      if (isAdministrator(before) || isAdministrator(after)) return action('ParticipantToggleAdmin', both)
      const isLimited = [before, after].some(({ status }) => status === 'kicked' || status === 'restricted')
      if (isLimited) return action('ParticipantToggleBan', both)
      if (isIn(after))
        return by === target
          ? action('ParticipantJoin')
          : action('ParticipantInvite', { participant: new_participant })
      return by === target ? action('ParticipantLeave') : action('ParticipantToggleBan', both)
    }
    case 'edited':
      return action('EditMessage', {
        prev_message: view.describer.message(viewer, { ...event.stored, message: event.before }),
        new_message: view.describer.message(viewer, event.stored),
      })
    case 'deleted':
      return action('DeleteMessage', { message: view.describer.message(viewer, event.stored) })
    case 'pinned':
      return action('UpdatePinned', { message: view.describer.message(viewer, event.stored) })
    case 'title':
      return action('ChangeTitle', { prev_value: event.before, new_value: event.after })
    case 'about':
      return action('ChangeAbout', { prev_value: event.before, new_value: event.after })
    case 'slow mode':
      return action('ToggleSlowMode', { prev_value: event.before, new_value: event.after })
    default:
      return action('ChangeHistoryTTL', { prev_value: event.before, new_value: event.after })
  }
}
