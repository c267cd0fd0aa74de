import { refusalOf, updatesOf } from './calling.js'
import { alice, api, bob, bot, call, group, telegram, usePlaza } from './plaza.js'

usePlaza('poll_bot')

test('the bot receives votes in an open poll, changed and retracted ones included', async () => {
  const { poll, message_id } = await api.sendPoll(group.id, 'Lunch?', ['Soup', 'Rice'], {
    is_anonymous: false,
  })
  expect(poll).toMatchObject({
    question: 'Lunch?',
    options: [
      { text: 'Soup', voter_count: 0, persistent_id: '0' },
      { text: 'Rice', voter_count: 0, persistent_id: '1' },
    ],
    total_voter_count: 0,
    is_closed: false,
    is_anonymous: false,
    type: 'regular',
    allows_revoting: true,
  })
  const shown = await bob.hears('Lunch?')
  await bob.in(group).votes(shown, 'Rice')
  await bob.in(group).votes(shown, 0)
  await bob.in(group).votes(shown)
  const answers = (await updatesOf(call)).filter((update) => update.poll_answer !== undefined)
  expect(answers.map((update) => update.poll_answer)).toMatchObject([
    { poll_id: poll.id, user: { id: bob.id }, option_ids: [1], option_persistent_ids: ['1'] },
    { option_ids: [0] },
    { option_ids: [], option_persistent_ids: [] },
  ])
  await alice.in(group).votes(shown, 'Soup')
  const stopped = await api.stopPoll(group.id, message_id)
  expect(stopped).toMatchObject({ is_closed: true, total_voter_count: 1, options: [{ voter_count: 1 }, {}] })
  await expect(bob.in(group).votes(shown, 0)).rejects.toThrow(/MESSAGE_POLL_CLOSED/)
  expect(await refusalOf(api.stopPoll(group.id, message_id))).toBe(
    'Bad Request: poll has already been closed',
  )
})

test('of an anonymous poll, the bot receives only the numbers', async () => {
  await api.sendPoll(group.id, 'Lunch?', ['Soup', 'Rice'], { allows_multiple_answers: true })
  await bob.in(group).votes(group.messages[0]!, 'Soup', 'Rice')
  const updates = await updatesOf(call)
  expect(updates).toMatchObject([
    { poll: { total_voter_count: 1, options: [{ voter_count: 1 }, { voter_count: 1 }] } },
  ])
  expect(updates).toHaveLength(1)
})

test('a quiz has a right option, and votes are final', async () => {
  const { poll } = await api.sendPoll(group.id, '2 + 2?', ['3', '4'], {
    type: 'quiz',
    correct_option_ids: [1],
    explanation: '*Count*',
    explanation_parse_mode: 'MarkdownV2',
  })
  expect(poll).toMatchObject({
    type: 'quiz',
    correct_option_ids: [1],
    explanation: 'Count',
    explanation_entities: [{ type: 'bold', offset: 0, length: 5 }],
  })
  const shown = group.messages[0]!
  await bob.in(group).votes(shown, '3')
  await expect(bob.in(group).votes(shown, '4')).rejects.toThrow(/REVOTE_NOT_ALLOWED/)
  await expect(alice.in(group).votes(shown, '3', '4')).rejects.toThrow(/OPTIONS_TOO_MUCH/)
  await expect(alice.in(group).votes(shown, '5')).rejects.toThrow(/OPTION_INVALID/)
})

test('a poll closes by the clock', async () => {
  await api.sendPoll(group.id, 'Now?', ['Yes', 'No'], { open_period: 60 })
  await bob.in(group).votes(group.messages[0]!, 'Yes')
  telegram.clock.advance('1m')
  await expect(alice.in(group).votes(group.messages[0]!, 'No')).rejects.toThrow(/MESSAGE_POLL_CLOSED/)
})

test('the bot is notified once when its poll closes, by the clock or by stopPoll', async () => {
  const { message_id } = await api.sendPoll(group.id, 'Now?', ['Yes', 'No'], { open_period: 60 })
  await api.sendPoll(group.id, 'Later?', ['Yes', 'No'], { open_period: 120 })
  const theirs = await bob.in(group).sendsPoll('Mine?', ['Yes', 'No'])
  await updatesOf(call)
  await api.stopPoll(group.id, message_id)
  expect(await updatesOf(call)).toMatchObject([{ poll: { question: 'Now?', is_closed: true } }])
  telegram.clock.advance('1m')
  expect(await updatesOf(call)).toEqual([])
  telegram.clock.advance('1h')
  expect(await updatesOf(call)).toMatchObject([{ poll: { question: 'Later?', is_closed: true } }])
  expect(theirs.poll?.is_closed).toBe(false)
})

test('people can send polls; the bot is notified when one is stopped, but not of earlier votes', async () => {
  const quiz = await bob.in(group).sendsPoll('2 + 2?', ['3', '4'], { correct: 1 })
  await alice.in(group).votes(quiz, '4')
  await expect(alice.in(group).stopsPoll(quiz)).rejects.toThrow(/poll can't be stopped/)
  expect(await refusalOf(api.stopPoll(group.id, quiz.message_id))).toBe("Bad Request: poll can't be stopped")
  const [asked, ...votes] = await updatesOf(call)
  expect(asked).toMatchObject({ message: { poll: { type: 'quiz' } } })
  expect((asked as { message: { poll: object } }).message.poll).not.toHaveProperty('correct_option_ids')
  expect(votes).toEqual([])
  await bob.in(group).stopsPoll(quiz)
  expect(await updatesOf(call)).toMatchObject([
    { poll: { is_closed: true, correct_option_ids: [1], total_voter_count: 1 } },
  ])
  await alice.in(group).restricts(bob, { can_send_messages: true })
  await expect(bob.in(group).sendsPoll('Again?', ['Yes'])).rejects.toThrow(/can_send_polls/)
})

test('invalid polls are refused', async () => {
  const send = (question: string, options: string[], other = {}) =>
    refusalOf(api.sendPoll(group.id, question, options, other))
  expect(await send(' ', ['a'])).toBe('Bad Request: poll question must be non-empty')
  expect(await send('q'.repeat(301), ['a'])).toBe('Bad Request: poll question length must not exceed 300')
  expect(await send('q', [])).toBe('Bad Request: poll must have at least 1 option')
  expect(await send('q', Array(13).fill('a'))).toBe("Bad Request: poll can't have more than 12 options")
  expect(await send('q', ['a'.repeat(101)])).toBe('Bad Request: poll options length must not exceed 100')
  expect(await send('q', ['a'], { type: 'quiz', correct_option_ids: [1] })).toBe(
    'Bad Request: wrong correct option ID specified',
  )
  const news = telegram.createChannel({ title: 'News', owner: alice, admins: [bot] })
  expect(await refusalOf(api.sendPoll(news.id, 'q', ['a'], { is_anonymous: false }))).toBe(
    "Bad Request: non-anonymous polls can't be sent to channel chats",
  )
  expect(await refusalOf(api.stopPoll(group.id, 404))).toBe(
    'Bad Request: message with poll to stop not found',
  )
})

test('a poll from a raw message can be neither voted in nor stopped', async () => {
  const { poll } = await api.sendPoll(group.id, 'Real?', ['Yes'])
  const raw = await bob.in(group).sendsContent({ poll: { ...poll, id: '1' } })
  await expect(alice.in(group).votes(raw, 'Yes')).rejects.toThrow(/MESSAGE_ID_INVALID/)
  expect(await refusalOf(api.stopPoll(group.id, raw.message_id))).toMatch(/poll to stop not found/)
})

test('dice, locations, venues and contacts are sent, and invalid ones refused', async () => {
  for (const [emoji, most] of [
    ['🎲', 6],
    ['🏀', 5],
    ['🎰', 64],
  ] as const) {
    const { dice } = await api.sendDice(group.id, emoji)
    expect(dice.emoji).toBe(emoji)
    expect(dice.value).toBeGreaterThanOrEqual(1)
    expect(dice.value).toBeLessThanOrEqual(most)
  }
  expect(await refusalOf(api.sendDice(group.id, '🍎'))).toBe('Bad Request: EMOTICON_INVALID')
  expect((await api.sendLocation(group.id, 52.5, 13.4)).location).toEqual({ latitude: 52.5, longitude: 13.4 })
  expect(await refusalOf(api.sendLocation(group.id, 91, 0))).toBe('Bad Request: wrong location specified')
  expect((await api.sendVenue(group.id, 1, 2, 'Café', 'Main street')).venue).toMatchObject({ title: 'Café' })
  expect((await api.sendContact(group.id, '+49123', 'Carl')).contact).toEqual({
    phone_number: '+49123',
    first_name: 'Carl',
  })
  expect(await refusalOf(api.sendContact(group.id, '', 'Carl'))).toBe('Bad Request: phone number is empty')
})

test('a poll has the same state in every copy: forwarded, and in the discussion group of a channel', async () => {
  const news = telegram.createChannel({ title: 'News', owner: alice, admins: [bot], linkedGroup: group })
  const sent = await api.sendPoll(news.id, 'Lunch?', ['Soup', 'Rice'])
  const forwarded = await api.forwardMessage(group.id, news.id, sent.message_id)
  const shown = () => [...news.messages, ...group.messages].flatMap(({ poll }) => poll ?? [])
  expect(new Set(shown().map(({ id }) => id))).toEqual(new Set([sent.poll.id]))
  await bob.in(group).votes(forwarded, 'Rice')
  expect(shown().map(({ total_voter_count }) => total_voter_count)).toEqual([1, 1, 1])
  await api.deleteMessage(group.id, forwarded.message_id)
  await api.stopPoll(news.id, sent.message_id)
  expect(shown().map(({ is_closed }) => is_closed)).toEqual([true, true])
})

test('of a poll with many forwards, votes update the original, the latest forwards and the copy voted in', async () => {
  const sent = await api.sendPoll(group.id, 'Lunch?', ['Soup', 'Rice'])
  const diary = telegram.createChannel({ title: 'Diary', owner: alice, admins: [bot] })
  const forward = () => api.forwardMessage(diary.id, group.id, sent.message_id)
  const first = await forward()
  for (let i = 0; i < 500; i++) await forward()
  const votes = () => [...group.messages, ...diary.messages].map(({ poll }) => poll?.total_voter_count)
  await bob.in(group).votes(sent, 'Rice')
  expect(votes()).toEqual([1, 0, 0, ...Array<number>(499).fill(1)])
  await alice.in(diary).votes(first, 'Rice')
  expect(votes()).toEqual([2, 2, 0, 1, ...Array<number>(498).fill(2)])
})
