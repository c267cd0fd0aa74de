import { deepEqual, equal } from 'node:assert/strict'
import { botApi } from './bot-api.mjs'

/** A basic group, and what a bot deletes by the Bot API. */
export async function meetInGroups(checks, { telegram, client, person, other, bot, supergroup }) {
  const village = telegram.createGroup({ title: 'Village', basic: true, owner: person, admins: [bot] })
  const says =
    (text) =>
    ({ _, message }) =>
      _ === 'updateNewMessage' && message.content.text?.text === text

  await checks.that('a basic group is there, with who is in it and since when', async () => {
    await person.in(village).adds(other)
    await other.in(village).sends('good evening')
    const { message } = await client.update(says('good evening'), 'the message in the group')
    equal(message.chat_id, village.id)
    const { members } = await client.call({ _: 'getBasicGroupFullInfo', basic_group_id: -village.id })
    deepEqual(
      members
        .map(({ member_id, inviter_user_id, joined_chat_date }) => [
          member_id.user_id,
          inviter_user_id,
          joined_chat_date > 0,
        ])
        .toSorted(([a], [b]) => a - b),
      [
        [person.id, person.id, true],
        [other.id, person.id, true],
        [bot.id, person.id, true],
      ],
    )
    await client.sends(village.id, 'good evening to you')
    equal(village.messages.at(-1).text, 'good evening to you')
  })

  await checks.that('what a bot deletes is gone', async () => {
    for (const place of [village, supergroup]) {
      const seen = client.updates.length
      const sent = await other.in(place).sends(`spam in ${place.title}`)
      const { message } = await client.update(says(`spam in ${place.title}`), 'the message', seen)
      await botApi(telegram, bot, 'deleteMessage', { chat_id: place.id, message_id: sent.message_id })
      const isGone = ({ _, chat_id, message_ids, is_permanent }) =>
        _ === 'updateDeleteMessages' &&
        chat_id === place.id &&
        is_permanent &&
        message_ids.includes(message.id)
      await client.update(isGone, 'that it is gone', seen)
    }
  })

  await checks.that('the supergroup that it becomes is known by both', async () => {
    const seen = client.updates.length
    const grown = await person.in(village).upgrades()
    const isMoved = ({ _, message }) =>
      _ === 'updateNewMessage' &&
      message.content._ === 'messageChatUpgradeTo' &&
      message.chat_id === village.id
    const { message } = await client.update(isMoved, 'the way to the supergroup', seen)
    equal(message.content.supergroup_id, -grown.id - 1_000_000_000_000)
  })
}
