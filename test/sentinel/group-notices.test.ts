import type { Denial } from '../../src/index.js'
import { desk, says, taps } from './desk.js'

const MINUTE = 60_000
const PEOPLE = Array.from({ length: 12 }, (_, i) => 101 + i)

/** A group whose members may send one command an hour. */
function group(deny: Denial = 'notice') {
  const made = desk({ throttle: { limit: '1/1h', noticeEvery: '1h', deny } })
  const commands = async (...people: number[]): Promise<void> => {
    for (const person of people) await made.handle(says(person, '/help', { group: true }))
    await made.quiet()
  }
  const receivers = (): unknown[] =>
    made.calls
      .splice(0)
      .map(({ payload }) => Object(payload.ephemeral_message_parameters).receiver_user_id ?? 'everybody')
  return { ...made, commands, receivers }
}

describe('notices in one group', () => {
  test('are limited to five a minute; the others are sent when the same users are refused later', async () => {
    const { commands, receivers, time } = group()
    await commands(...PEOPLE, ...PEOPLE)
    expect(receivers()).toEqual(PEOPLE.slice(0, 5))
    time.advance(MINUTE)
    await commands(...PEOPLE)
    expect(receivers()).toEqual(PEOPLE.slice(5, 10))
    time.advance(MINUTE)
    await commands(...PEOPLE)
    expect(receivers()).toEqual(PEOPLE.slice(10))
  })

  test('that were not sent do not use the overall budget, also after reconfigure()', async () => {
    const { commands, handle, calls, guard, receivers, quiet } = group()
    await commands(...PEOPLE, ...PEOPLE)
    await guard.reconfigure({ notices: { budget: '6/1h' } })
    await commands(...PEOPLE)
    expect(receivers()).toHaveLength(5)
    for (const data of ['a', 'b']) await handle(taps(7, data))
    await quiet()
    expect(calls.at(-1)?.payload.text).toMatch(/^Slow down/)
    expect((await guard.health()).unsaid).toBe(0)
  })

  test('that are owed wait until the group may get another one', async () => {
    const due: boolean[] = []
    const { commands, time } = group(({ notice, say }) => {
      due.push(notice)
      say()
    })
    await commands(...PEOPLE.slice(0, 6), ...PEOPLE.slice(0, 6))
    expect(due).toEqual(Array(6).fill(true))
    await commands(PEOPLE[5]!)
    time.advance(MINUTE)
    await commands(PEOPLE[5]!)
    expect(due.slice(6)).toEqual([false, true])
  })

  test('are not sent as ephemeral messages for ten minutes after one was refused', async () => {
    const { telegram, commands, receivers, time } = group()
    const description = 'Bad Request: ephemeral messages are not supported'
    telegram.faults.next('sendMessage', { code: 400, description })
    for (const person of [1, 2]) await commands(person, person)
    expect(receivers()).toEqual([1, 'everybody', 'everybody'])
    time.advance(10 * MINUTE)
    await commands(3, 3)
    expect(receivers()).toEqual([3])
  })
})
