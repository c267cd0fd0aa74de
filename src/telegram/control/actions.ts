import type { ChatAdministratorRights, ChatPermissions, ReactionTypeEmoji } from 'grammy/types'
import { z } from 'zod'
import { ChannelPresence } from '../people/member-presence.js'
import type { Content } from '../world/messages/content.js'
import {
  type Action,
  action,
  bot,
  member,
  message,
  nothing,
  presence,
  some,
  somebody,
  whom,
} from './action.js'
import { CHAT_ACTIONS } from './chat-actions.js'
import { duration, given, messageId, text, wait } from './inputs.js'
import { Problem } from './problem.js'
import type { Stage } from './stage.js'

const ACTIONS: readonly Action[] = [
  action(
    'sends',
    'Sends a text, optionally as a reply to a message.',
    { text, reply_to: messageId.optional() },
    (stage, input) =>
      input.reply_to === undefined
        ? presence(stage, input).sends(input.text)
        : presence(stage, input).replies(message(stage, input, input.reply_to), input.text),
  ),
  action(
    'sends_photo',
    'Sends a photo; the name stands for the picture.',
    { name: text, caption: text.optional() },
    (stage, input) => presence(stage, input).sendsPhoto(input.name, given({ caption: input.caption })),
  ),
  action(
    'sends_document',
    'Sends a file of this content.',
    {
      name: text,
      content: z.string().optional(),
      type: z.string().max(100).optional(),
      caption: text.optional(),
    },
    (stage, input) => {
      const { caption, content, type } = input
      return presence(stage, input).sendsDocument(input.name, given({ caption, content, type }))
    },
  ),
  action(
    'sends_album',
    'Sends two to ten photos at once.',
    { names: z.array(text), caption: text.optional() },
    (stage, input) => presence(stage, input).sendsAlbum(input.names, given({ caption: input.caption })),
  ),
  action(
    'sends_poll',
    'Sends a poll; with correct, the place of an option, a quiz.',
    {
      question: text,
      options: z.array(text),
      is_anonymous: z.boolean().optional(),
      allows_multiple: z.boolean().optional(),
      correct: z.int().optional(),
    },
    (stage, input) => {
      const { is_anonymous: isAnonymous, allows_multiple: allowsMultiple, correct } = input
      const terms = given({ isAnonymous, allowsMultiple, correct })
      return presence(stage, input).sendsPoll(input.question, input.options, terms)
    },
  ),
  action(
    'sends_content',
    "Sends anything a message can hold, in the Bot API's words.",
    { content: z.record(z.string(), z.unknown()) },
    (stage, input) => presence(stage, input).sendsContent(input.content as Content),
  ),
  action(
    'votes',
    'Votes for options, by their text or place.',
    { ...some, options: z.array(z.union([text, z.int()])) },
    (stage, input) => presence(stage, input).votes(message(stage, input, input.message_id), ...input.options),
  ),
  action('stops_poll', 'Ends a poll of their own.', some, (stage, input) =>
    presence(stage, input).stopsPoll(message(stage, input, input.message_id)),
  ),
  action(
    'edits',
    'Changes the text of their own message, or its caption.',
    { ...some, text },
    (stage, input) => presence(stage, input).edits(message(stage, input, input.message_id), input.text),
  ),
  action('deletes', 'Deletes a message.', some, (stage, input) =>
    presence(stage, input).deletes(message(stage, input, input.message_id)),
  ),
  action('pins', 'Pins a message.', some, (stage, input) =>
    presence(stage, input).pins(message(stage, input, input.message_id)),
  ),
  action('unpins', 'Unpins a message.', some, (stage, input) =>
    presence(stage, input).unpins(message(stage, input, input.message_id)),
  ),
  action(
    'reacts',
    'Sets a reaction; without an emoji removes it.',
    { ...some, emoji: text.optional() },
    (stage, input) =>
      presence(stage, input).reacts(
        message(stage, input, input.message_id),
        input.emoji as ReactionTypeEmoji['emoji'] | undefined,
      ),
  ),
  action(
    'taps',
    'Taps a button, named by its text or callback data; with wait, waits for the answer.',
    { ...some, button: text, wait: wait.optional() },
    async (stage, input) => {
      const tap = await presence(stage, input).taps(message(stage, input, input.message_id), input.button)
      return {
        query: tap.query,
        ...(input.wait !== undefined && { answer: await tap.answeredWithin(input.wait) }),
      }
    },
  ),
  action(
    'asks',
    'Types @bot query; with wait, waits for the answer.',
    { query: z.string().max(256), offset: z.string().max(64).optional(), wait: wait.optional() },
    async (stage, input) => {
      const options = given({ offset: input.offset })
      const asked = await stage.person(input.who).asks(bot(stage, input), input.query, options)
      return {
        query: asked.query,
        ...(input.wait !== undefined && { answer: await asked.answeredWithin(input.wait) }),
      }
    },
  ),
  action(
    'pays',
    'Pays the bot; with wait, waits until it agrees or not.',
    {
      payload: text,
      amount: z.int().positive(),
      currency: z.string().length(3).optional(),
      wait: wait.optional(),
    },
    async (stage, input) => {
      const { payload, amount, currency } = input
      const payment = await stage
        .person(input.who)
        .pays(bot(stage, input), given({ payload, amount, currency }))
      const answer = input.wait === undefined ? undefined : await payment.answeredWithin(input.wait)
      return { query: payment.query, answer, receipt: payment.receipt }
    },
  ),
  action('blocks', 'Blocks the bot.', nothing, (stage, input) =>
    stage.person(input.who).blocks(bot(stage, input)),
  ),
  action('unblocks', 'Unblocks the bot.', nothing, (stage, input) =>
    stage.person(input.who).unblocks(bot(stage, input)),
  ),
  action(
    'joins_by',
    "Follows an invite link; returns 'joined' or 'requested'.",
    { link: text, bio: z.string().optional() },
    async (stage, input) => stage.person(input.who).joinsBy(input.link, given({ bio: input.bio })),
  ),
  action('sets_profile_photo', 'Sets a new profile photo.', { name: text }, (stage, input) =>
    stage.person(input.who).setsProfilePhoto(input.name),
  ),
  action('posts', 'Posts a text in a channel.', { text }, (stage, input) => {
    const there = member(stage, input)
    if (there instanceof ChannelPresence) return there.posts(input.text)
    throw new Problem(400, 'input.invalid', 'This action takes place in a channel; for a group use sends.')
  }),
  action('joins', 'Comes in.', nothing, (stage, input) => member(stage, input).joins()),
  action('leaves', 'Goes.', nothing, (stage, input) => member(stage, input).leaves()),
  action('requests_to_join', 'Requests to join.', { bio: z.string().optional() }, (stage, input) =>
    member(stage, input).requestsToJoin(given({ bio: input.bio })),
  ),
  action('approves', 'Approves a request to join.', whom, (stage, input) =>
    member(stage, input).approves(somebody(stage, input.whom)),
  ),
  action('declines', 'Declines a request to join.', whom, (stage, input) =>
    member(stage, input).declines(somebody(stage, input.whom)),
  ),
  action('adds', 'Adds a person or a bot.', whom, (stage, input) =>
    member(stage, input).adds(somebody(stage, input.whom)),
  ),
  action(
    'bans',
    'Bans somebody, permanently or for a time.',
    { ...whom, for: duration.optional() },
    (stage, input) => member(stage, input).bans(somebody(stage, input.whom), given({ for: input.for })),
  ),
  action('unbans', 'Lifts a ban.', whom, (stage, input) =>
    member(stage, input).unbans(somebody(stage, input.whom)),
  ),
  action(
    'restricts',
    'Restricts somebody: permissions that are not given are removed.',
    { ...whom, permissions: z.record(z.string(), z.boolean()).default({}), for: duration.optional() },
    (stage, input) => {
      const permissions = input.permissions as ChatPermissions
      return member(stage, input).restricts(
        somebody(stage, input.whom),
        permissions,
        given({ for: input.for }),
      )
    },
  ),
  action(
    'promotes',
    'Makes somebody an administrator: with all rights, or these.',
    { ...whom, rights: z.record(z.string(), z.boolean()).optional() },
    (stage, input) =>
      member(stage, input).promotes(
        somebody(stage, input.whom),
        input.rights as Partial<ChatAdministratorRights> | undefined,
      ),
  ),
  action('demotes', 'Demotes an administrator to a member.', whom, (stage, input) =>
    member(stage, input).demotes(somebody(stage, input.whom)),
  ),
  ...CHAT_ACTIONS,
]

const schemas = ACTIONS.map(({ schema }) => schema) as unknown as [z.ZodObject, ...z.ZodObject[]]

/** An action, discriminated by its name in `does`. */
export const actionSchema = z.discriminatedUnion('does', schemas as never)

const BY_NAME = new Map(ACTIONS.map(({ schema, run }) => [(schema.shape.does as z.ZodLiteral).value, run]))

export const ACTION_NAMES: readonly string[] = [...BY_NAME.keys()].map(String)

export async function act(stage: Stage, input: { readonly does: string }): Promise<unknown> {
  const run = BY_NAME.get(input.does)
  return (await run?.(stage, input as never)) ?? null
}
