import { Api } from 'grammy'
import { ACTION_NAMES } from '../../src/telegram/control/actions.js'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'
import { ChannelPresence, GroupPresence, MemberPresence } from '../../src/telegram/people/member-presence.js'
import { Person } from '../../src/telegram/people/person.js'
import { Presence } from '../../src/telegram/people/presence.js'

const TOKEN = 'a-token-of-the-test'

let telegram: Telegram
beforeEach(async () => {
  telegram = await startTelegram({ clock: 'virtual', control: { token: TOKEN } })
})
afterEach(() => telegram.close())

async function acts(does: string, who: number, rest: object): Promise<unknown> {
  const response = await fetch(`${telegram.control?.url}/acts`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ does, who, ...rest }),
  })
  const body = await response.json()
  if (!response.ok) throw new Error(JSON.stringify(body))
  return body
}

test('administrators can set up a chat and its invite links from another process', async () => {
  const bot = telegram.createBot({ username: 'plaza_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const carol = telegram.createUser({ firstName: 'Carol' })
  const owner = telegram.createUser({ firstName: 'Olga' })
  const group = telegram.createGroup({ title: 'Plaza', owner, admins: [bot] })
  const inIt = { in: group.id }
  const api = new Api(bot.token, { apiRoot: telegram.apiRoot })
  await acts('sets_title', owner.id, { ...inIt, title: 'Piazza' })
  await acts('sets_description', owner.id, { ...inIt, description: 'All are welcome' })
  await acts('sets_photo', owner.id, { ...inIt, name: 'fountain' })
  await acts('sets_auto_delete', owner.id, { ...inIt, after: '1d' })
  await acts('sets_slow_mode', owner.id, { ...inIt, delay: '30s' })
  await acts('permits', owner.id, { ...inIt, permissions: { can_send_messages: true } })
  expect(await api.getChat(group.id)).toMatchObject({
    title: 'Piazza',
    description: 'All are welcome',
    photo: expect.anything(),
    message_auto_delete_time: 86_400,
    slow_mode_delay: 30,
    permissions: { can_send_messages: true, can_send_photos: false },
  })
  const { invite_link: link } = (await acts('makes_invite_link', owner.id, inIt)) as { invite_link: string }
  expect(await acts('joins_by', carol.id, { link })).toBe('joined')
  await acts('revokes_invite_link', owner.id, { ...inIt, link })
  await expect(acts('joins_by', alice.id, { link })).rejects.toThrow(/expired|INVITE/)
})

test('administrators can manage topics and channels, and upgrade a group, from another process', async () => {
  const olga = telegram.createUser({ firstName: 'Olga' })
  const forum = telegram.createGroup({ title: 'Forum', owner: olga, forum: true })
  const inIt = { in: forum.id }
  const topic = (await acts('creates_topic', olga.id, { ...inIt, name: 'News' })) as {
    message_thread_id: number
  }
  const thread = { ...inIt, message_thread_id: topic.message_thread_id }
  await acts('renames_topic', olga.id, { ...thread, name: 'Old news' })
  await acts('closes_topic', olga.id, thread)
  await expect(acts('closes_topic', olga.id, thread)).rejects.toThrow(/NOT_MODIFIED/)
  await acts('reopens_topic', olga.id, thread)

  const bob = telegram.createUser({ firstName: 'Bob' })
  const channel = telegram.createChannel({ title: 'Voice', owner: bob })
  const group = telegram.createGroup({ title: 'Plaza', owner: olga, members: [bob] })
  const say = () => acts('sends', bob.id, { in: group.id, as: channel.id, text: 'hello' })
  await acts('bans_channel', olga.id, { in: group.id, channel: channel.id })
  await expect(say()).rejects.toThrow()
  await acts('unbans_channel', olga.id, { in: group.id, channel: channel.id })
  expect(await say()).toMatchObject({ sender_chat: { id: channel.id } })

  const basic = telegram.createGroup({ title: 'Small', owner: olga, basic: true })
  expect(await acts('upgrades', olga.id, { in: basic.id })).toEqual({ id: expect.any(Number) })
  await acts('sets_profile_photo', olga.id, { name: 'me' })
})

test('every action of a person is available from another process', () => {
  // Excluded: queries, methods that select a place or an author, and helpers of the actions.
  const asked = ['constructor', 'in', 'to', 'as', 'anonymously', 'inTopic', 'member', 'hears', 'hasHeard']
  const made = ['speak', 'find', 'attempt', 'changes', 'refuse', 'tellsHeard', 'heardIn']
  // Instead of `replies`, `sends` has the field `reply_to`.
  const aside = new Set([...asked, ...made, 'replies'])
  const actions = [Person, Presence, MemberPresence, GroupPresence, ChannelPresence].flatMap(
    ({ prototype }) =>
      Object.entries(Object.getOwnPropertyDescriptors(prototype))
        .filter(([name, { value }]) => typeof value === 'function' && !aside.has(name))
        .map(([name]) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
  )
  expect(actions.filter((name) => !ACTION_NAMES.includes(name))).toEqual([])
  expect(actions.length).toBeGreaterThan(40)
})
