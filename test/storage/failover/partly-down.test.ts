import { userKey } from '../../../src/core/subject.js'
import { askOf, bucket, isAdmitted, settled } from '../outage.js'
import { pair } from './pair.js'

/* A storage answers some calls and fails others: one of its tables is locked, or single calls fail. */

test('failed writes that are hours apart do not add up after a failed decision: the storage stays in use', async () => {
  const { judgeOf, first, second, storage, pass, told } = pair()
  const judge = await judgeOf(bucket(1000))
  await settled()
  first.parts = second.parts = (what) => what === 'evaluate'
  first.fault = second.fault = 'refuses'
  await expect(Promise.resolve(judge.evaluate(askOf()))).rejects.toMatchObject({
    code: 'storage.unavailable',
  })
  first.fault = second.fault = 'none'
  second.parts = (what) => what === 'values.put'
  for (let hour = 0; hour < 6; hour++) {
    for (let n = 0; n < 50; n++) await storage.values.put('space', `key ${n}`, n)
    expect(isAdmitted(await judge.evaluate(askOf()))).toBe(true)
    second.fault = 'refuses'
    await storage.values.put('space', 'key', hour)
    await settled()
    second.fault = 'none'
    await pass(200)
  }
  expect(told).toEqual([])
})

test.each([300, 1000, 3000])(
  'a session loses no change while only the decisions of the first storage hang (an update every %i ms)',
  async (every) => {
    const { judgeOf, first, storage, pass, told, done } = pair()
    const judge = await judgeOf(bucket(1000))
    await settled()
    let count = 0
    const update = async (user: number): Promise<void> => {
      expect(isAdmitted(await judge.evaluate(askOf(userKey(user))))).toBe(true)
      count = (((await storage.values.get('sessions', 'key')) as number | undefined) ?? 0) + 1
      await storage.values.put('sessions', 'key', count)
    }
    for (let user = 0; user < 3; user++) await update(user)
    first.parts = (what) => what === 'evaluate'
    first.fault = 'hangs'
    for (let user = 3; user < 33; user++) {
      await done(() => update(user))
      await pass(every)
    }
    expect(count).toBe(33)
    expect(told).toEqual([])
  },
)
