import { bob, both, onBothFaces, plaza, poller } from './both-faces.js'
import { alice, telegram } from './stage.js'

onBothFaces()

test('reactions and votes as a group or a channel name it on both interfaces', async () => {
  await alice.in(plaza).promotes(bob, { is_anonymous: true })
  const news = telegram.createChannel({ title: 'News', owner: alice })
  const poll = await poller.api.sendPoll(plaza.id, 'Lunch?', ['Soup', 'Rice'], { is_anonymous: false })
  await bob.in(plaza).reacts(poll, '👍')
  await bob.in(plaza).votes(poll, 'Soup')
  await alice.in(plaza).as(news).votes(poll, 'Rice')
  const { wire, api } = await both(6)
  const told = (updates: readonly unknown[]) =>
    (updates as { poll_answer?: object; message_reaction?: object }[]).flatMap(
      ({ poll_answer: answer, message_reaction: reaction }) => answer ?? reaction ?? [],
    )
  expect(told(wire)).toEqual(told(api))
  expect(told(api)).toMatchObject([
    { actor_chat: { id: plaza.id } },
    { voter_chat: { id: plaza.id }, user: { username: 'Channel_Bot' }, option_ids: [0] },
    { voter_chat: { id: news.id }, user: { username: 'Channel_Bot' }, option_ids: [1] },
  ])
})

test('a change of status contains the tag on both interfaces', async () => {
  await poller.api.setChatMemberTag(plaza.id, bob.id, 'vip')
  await alice.in(plaza).restricts(bob, { can_send_messages: true })
  const { wire, api } = await both(2)
  const members = (updates: readonly unknown[]) =>
    (updates as { chat_member?: { new_chat_member: { status: string; tag?: string } } }[]).map(
      ({ chat_member: changed }) => [changed?.new_chat_member.status, changed?.new_chat_member.tag],
    )
  expect(members(wire)).toEqual(members(api))
  expect(members(api)).toEqual([
    ['member', 'vip'],
    ['restricted', 'vip'],
  ])
})
