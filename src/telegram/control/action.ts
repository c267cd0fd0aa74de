import type { ForumTopic, Message } from 'grammy/types'
import { z } from 'zod'
import { GroupPresence, MemberPresence } from '../people/member-presence.js'
import type { Presence } from '../people/presence.js'
import { accountId, chatId, messageId } from './inputs.js'
import { Problem } from './problem.js'
import type { Stage } from './stage.js'

/** The person who acts, and where. */
interface Actor {
  readonly who: number
  readonly in?: number | undefined
  readonly to?: number | undefined
  readonly anonymously?: boolean | undefined
  readonly as?: number | undefined
  readonly in_topic?: number | undefined
}

const actor = {
  who: accountId.describe('The person who acts.'),
  in: chatId.optional().describe('The group or channel in which the person acts.'),
  to: accountId.optional().describe('The bot with which the person acts, in private.'),
  anonymously: z.boolean().optional().describe('Acts as the group itself; needs an administrator.'),
  as: chatId.optional().describe('Acts as a channel of the person.'),
  in_topic: z.int().positive().optional().describe('message_thread_id of a topic.'),
}

export interface Action {
  readonly schema: z.ZodObject
  readonly run: (stage: Stage, input: never) => Promise<unknown>
}

export function action<Name extends string, Shape extends z.ZodRawShape>(
  does: Name,
  summary: string,
  shape: Shape,
  run: (stage: Stage, input: z.output<z.ZodObject<Shape>> & Actor) => Promise<unknown>,
): Action {
  const schema = z.strictObject({ does: z.literal(does), ...actor, ...shape }).describe(summary)
  return { schema, run: run as Action['run'] }
}

/** The person in the given chat, for actions possible in every kind of chat. */
export function presence(
  stage: Stage,
  { who, in: room, to, anonymously, as: voice, in_topic }: Actor,
): Presence {
  const person = stage.person(who)
  if ((room === undefined) === (to === undefined))
    throw new Problem(
      400,
      'input.invalid',
      'Name the place by one of: in (a group or channel) or to (a bot).',
    )
  if (to !== undefined) return person.to(stage.bot(to))
  const place = stage.place(room as number)
  if (place.kind === 'channel') return person.in(place)
  const there = person.in(place)
  if (voice !== undefined) return there.as(stage.channel(voice))
  if (anonymously === true) return there.anonymously()
  return in_topic === undefined ? there : there.inTopic(topic(in_topic))
}

export function member(stage: Stage, input: Actor): MemberPresence {
  const there = presence(stage, { ...input, anonymously: undefined, as: undefined, in_topic: undefined })
  if (there instanceof MemberPresence) return there
  throw new Problem(400, 'input.invalid', 'This action takes place in a group or channel: pass in, not to.')
}

export function groupMember(stage: Stage, input: Actor): GroupPresence {
  const there = member(stage, input)
  if (there instanceof GroupPresence) return there
  throw new Problem(400, 'input.invalid', 'This action takes place in a group; this is a channel.')
}

export function bot(stage: Stage, { to }: Actor) {
  if (to === undefined) throw new Problem(400, 'input.invalid', 'Name the bot by to.')
  return stage.bot(to)
}

/** Messages are looked up by id and chat, so other fields are not needed. */
export function message(stage: Stage, { who, in: room, to }: Actor, id: number): Message {
  const chat = { id: room ?? (to === undefined ? 0 : stage.person(who).id) }
  return { message_id: id, chat } as Message
}

export function topic(id: number): ForumTopic {
  return { message_thread_id: id, name: '', icon_color: 0 } as unknown as ForumTopic
}

export const some = { message_id: messageId }
export const whom = { whom: accountId.describe('The person or bot that it concerns.') }
export const nothing = {}

export function somebody(stage: Stage, id: number) {
  return { account: stage.account(id) }
}
