import { ANONYMOUS_ADMIN_ID, CHANNEL_SENDER_ID } from '../../src/core/kinds.js'
import { type Administered, type Subject, subject } from '../../src/index.js'
import { desk } from './desk.js'

const ALICE = 7
const PLAZA = -1001000000001

const verbs: Record<string, (guard: Administered, whom: Subject | readonly Subject[]) => Promise<void>> = {
  register: (guard, whom) => guard.register(whom),
  allow: (guard, whom) => guard.allow(whom),
  grant: (guard, whom) => guard.grant(whom, 'verified'),
  'grant in a chat': (guard, whom) => guard.grant(whom, 'verified', { chat: PLAZA }),
}

describe.each(Object.entries(verbs))('%s', (verb, put) => {
  const never: [string, Subject][] = [
    ['a chat', subject.chat(PLAZA)],
    ['the use of a command', subject.command(ALICE, 'buy')],
    ['a custom key', subject.own('tenant-7')],
    ['the whole bot', subject.global()],
    ['a command inside a chat', subject.member(subject.command(ALICE, 'buy'), PLAZA)],
    ['all anonymous administrators', ANONYMOUS_ADMIN_ID],
    ['all channels in a group', CHANNEL_SENDER_ID],
  ]
  // A role can be limited to one chat: grant() accepts a member.
  if (verb !== 'grant') never.push(['a member of a chat', subject.member(ALICE, PLAZA)])

  test.each(never)('rejects %s, which is never looked up', async (_, whom) => {
    const { guard } = desk()
    const told: unknown[] = []
    guard.on('registered', (event) => told.push(event))
    const word = verb.split(' ')[0]
    await expect(put(guard, [ALICE, whom])).rejects.toMatchObject({
      code: 'subject.invalid',
      message: expect.stringMatching(new RegExp(`^${word}: .*(Pass a user|: ${word} subject\\.sender)`)),
    })
    expect(told).toEqual([])
    expect(await guard.isRegistered(ALICE)).toBe(false)
  })

  test('accepts users and chats that write', async () => {
    const { guard } = desk()
    await expect(put(guard, [ALICE, subject.sender(PLAZA)])).resolves.toBeUndefined()
  })
})

test('a mark may be removed from subjects that it can no longer be given to', async () => {
  const { guard } = desk()
  expect(await guard.unregister(subject.member(ALICE, PLAZA))).toBe(0)
  expect(await guard.disallow(subject.chat(PLAZA))).toBe(0)
  expect(await guard.revoke(subject.chat(PLAZA), 'verified')).toBe(0)
})

test('a role of a member is held in that chat only', async () => {
  const { guard } = desk()
  await guard.grant(subject.member(ALICE, PLAZA), 'verified')
  expect(await guard.hasRole(ALICE, 'verified', { chat: PLAZA })).toBe(true)
  expect(await guard.hasRole(ALICE, 'verified')).toBe(false)
})
