import type { ChatInviteLink, ChatPermissions } from 'grammy/types'
import { z } from 'zod'
import { type Action, action, groupMember, member, topic } from './action.js'
import { chatId, duration, given, text } from './inputs.js'

const thread = { message_thread_id: z.int().positive().describe('Of a topic.') }
const channel = { channel: chatId.describe('The channel that speaks.') }

/** Actions of administrators on the chat itself: title and photo, invite links, topics, channels that write in it. */
export const CHAT_ACTIONS: readonly Action[] = [
  action(
    'makes_invite_link',
    'Makes an invite link.',
    {
      name: z.string().max(32).optional(),
      for: duration.optional(),
      member_limit: z.int().positive().optional(),
      creates_join_request: z.boolean().optional(),
    },
    (stage, input) => {
      const { name, member_limit: memberLimit, creates_join_request: createsJoinRequest } = input
      const terms = given({ name, for: input.for, memberLimit, createsJoinRequest })
      return member(stage, input).makesInviteLink(terms)
    },
  ),
  action('creates_topic', 'Opens a topic in a forum.', { name: text }, (stage, input) =>
    groupMember(stage, input).createsTopic(input.name),
  ),
  action('revokes_invite_link', 'Revokes an invite link.', { link: text }, (stage, input) =>
    member(stage, input).revokesInviteLink({ invite_link: input.link } as ChatInviteLink),
  ),
  action('renames_topic', 'Renames a topic.', { ...thread, name: text }, (stage, input) =>
    groupMember(stage, input).renamesTopic(topic(input.message_thread_id), input.name),
  ),
  action('closes_topic', 'Closes a topic.', thread, (stage, input) =>
    groupMember(stage, input).closesTopic(topic(input.message_thread_id)),
  ),
  action('reopens_topic', 'Reopens a topic.', thread, (stage, input) =>
    groupMember(stage, input).reopensTopic(topic(input.message_thread_id)),
  ),
  action('bans_channel', 'Bans a channel from writing here.', channel, (stage, input) =>
    groupMember(stage, input).bansChannel(stage.channel(input.channel)),
  ),
  action('unbans_channel', 'Unbans a channel.', channel, (stage, input) =>
    groupMember(stage, input).unbansChannel(stage.channel(input.channel)),
  ),
  action(
    'permits',
    'Sets what members may do; permissions that are not given are removed.',
    { permissions: z.record(z.string(), z.boolean()) },
    (stage, input) => groupMember(stage, input).permits(input.permissions as ChatPermissions),
  ),
  action('sets_title', 'Renames the chat.', { title: text }, (stage, input) =>
    member(stage, input).setsTitle(input.title),
  ),
  action(
    'sets_description',
    'Sets the description of the chat; an empty text removes it.',
    { description: z.string().max(255) },
    (stage, input) => member(stage, input).setsDescription(input.description),
  ),
  action(
    'sets_photo',
    'Sets the photo of the chat, given by a name; without one removes it.',
    { name: text.optional() },
    (stage, input) => member(stage, input).setsPhoto(input.name),
  ),
  action(
    'sets_auto_delete',
    'Sets how long new messages stay; by default, forever.',
    { after: duration.optional() },
    (stage, input) => member(stage, input).setsAutoDelete(input.after),
  ),
  action(
    'sets_slow_mode',
    'Sets how long members wait between messages; by default, not at all.',
    { delay: duration.optional() },
    (stage, input) => groupMember(stage, input).setsSlowMode(input.delay),
  ),
  action('upgrades', 'Turns a basic group into a supergroup; returns its id.', {}, async (stage, input) => {
    const { id } = await groupMember(stage, input).upgrades()
    return { id }
  }),
]
