import { userKey } from '../../src/core/subject.js'
import { memory, type SentinelOptions, type Storage, subject, throttle } from '../../src/index.js'
import { type Desk, desk, later } from '../sentinel/desk.js'

/* Changed limits of handlers: in a process in which they have not been used yet, and with names that contain spaces. */

const ALICE = 7
const GROUP = -1001000000001
const open: Desk[] = []

afterEach(async () => {
  for (const at of open.splice(0)) await at.guard.close()
})

/** A new worker of one bot; `/go` has a limit of this name, `/nameless` one without a name. */
function worker(storage: Storage): Desk {
  const at = desk({ storage, name: 'shop', throttle: '60/1m', limits: true }, (bot) => {
    bot.command('go', throttle({ name: 'go', limit: '1/1h' }), () => undefined)
    bot.command(
      'nameless',
      throttle('1/1h')(() => undefined),
    )
  })
  open.push(at)
  return at
}

async function listed({ guard }: Desk, limit?: string): Promise<string[]> {
  const lines: string[] = []
  for await (const { holder, limit: name, value } of guard.limits.list(limit)) {
    lines.push(`${'role' in holder ? `role ${holder.role}` : `${holder.kind} ${holder.id}`} ${name} ${value}`)
  }
  return lines.sort()
}

async function left(at: Desk, name: string, from = ALICE): Promise<number | undefined> {
  return (await at.guard.peek(from, name))[0]?.remaining
}

describe.each([
  ['memory', () => memory()],
  ['a storage elsewhere', () => later(memory())],
])('in a process that has not used a limit yet, in %s', (_, storage) => {
  async function changed(): Promise<Storage> {
    const kept = storage()
    const before = worker(kept)
    await before.says(ALICE, '/go')
    await before.guard.limits.set([ALICE, 8, subject.chat(GROUP), { role: 'vip' }], 'go', '50/1h')
    await before.guard.limits.set(ALICE, 'user', '70/1m')
    return kept
  }

  test('its changes can be removed', async () => {
    const after = worker(await changed())
    await after.says(ALICE, 'hello')
    expect(await after.guard.limits.remove([ALICE, 9])).toBe(2)
    expect(await after.guard.limits.remove([subject.chat(GROUP), { role: 'vip' }])).toBe(2)
    expect(await after.guard.limits.remove([ALICE, subject.chat(GROUP), { role: 'vip' }])).toBe(0)
    expect(await listed(after)).toEqual(['user 8 go 50/1h'])
    await after.says(ALICE, '/go')
    expect(await left(after, 'go')).toBe(0)
  })

  test('its changes are listed, and can be listed and removed by name', async () => {
    const after = worker(await changed())
    await after.says(ALICE, 'hello')
    const ofGo = ['chat -1001000000001 go 50/1h', 'role vip go 50/1h', 'user 7 go 50/1h', 'user 8 go 50/1h']
    expect(await listed(after)).toEqual([...ofGo.slice(0, 3), 'user 7 user 70/1m', 'user 8 go 50/1h'])
    expect(await listed(after, 'go')).toEqual(ofGo)
    expect(await after.guard.limits.remove([ALICE, { role: 'vip' }], 'throttle.go')).toBe(2)
    expect(await listed(after, 'go')).toEqual(['chat -1001000000001 go 50/1h', 'user 8 go 50/1h'])
    await expect(after.guard.limits.remove(ALICE, 'ga')).rejects.toMatchObject({ code: 'limit.unknown' })
    await expect(listed(after, 'ga')).rejects.toMatchObject({ code: 'limit.unknown' })
  })
})

test('a role may have another limit even if the name of the limit or role has spaces', async () => {
  const kept = memory()
  const before = worker(kept)
  await before.says(ALICE, '/nameless')
  const name = 'handler (throttle 1/1h)'
  await before.guard.grant(ALICE, 'very important')
  await before.guard.limits.set({ role: 'very important' }, name, '5/1h')
  await before.guard.limits.set({ role: 'very important' }, 'user', '90/1m')
  await before.guard.reset(ALICE)
  const all = [`role very important ${name} 5/1h`, 'role very important user 90/1m']
  expect(await listed(before)).toEqual(all)
  const after = worker(kept)
  await after.says(ALICE, '/nameless')
  expect([await left(after, name), await left(after, 'user')]).toEqual([4, 89])
  expect(await listed(after)).toEqual(all)
  expect(await after.guard.limits.remove({ role: 'very important' })).toBe(2)
  expect(await listed(after)).toEqual([])
  expect([...(await kept.marks.of(42, userKey(ALICE))).keys()]).toEqual(['role:very important'])
})

describe('options that are changed while the bot runs', () => {
  const passed = async (at: Desk, times: number): Promise<number> => {
    const before = at.reached.length
    for (let nth = 0; nth < times; nth++) await at.says(ALICE, `message ${nth}`)
    return at.reached.length - before
  }

  test('do not change limits if they are refused, not even with the next change', async () => {
    const at = desk({ limits: true, throttle: { limit: '2/1m', roles: { vip: '3/1m' } } })
    open.push(at)
    await at.says(9, 'hello')
    await at.guard.grant(ALICE, 'vip')
    const many = Array.from({ length: 12 }, (_, nth) => ({ name: `more${nth}`, limit: '99/1m' as const }))
    const refused = {
      throttle: [{ limit: '2/1m', roles: { vip: '50/1m' } }, ...many],
    } satisfies SentinelOptions
    expect(() => at.guard.reconfigure(refused)).toThrow(expect.objectContaining({ code: 'plan.invalid' }))
    expect(await passed(at, 5)).toBe(3)
    // The plan is created anew.
    await at.guard.limits.set({ role: 'other' }, 'user', '5/1m')
    at.time.advance(120_000)
    expect(await passed(at, 10)).toBe(3)
    await expect(at.guard.limits.set(ALICE, 'more5', '1/1m')).rejects.toMatchObject({ code: 'limit.unknown' })
  })

  test('drop limits that they no longer name, but none of handlers', async () => {
    const at = worker(memory())
    await at.says(ALICE, '/go')
    at.guard.reconfigure({
      throttle: [
        { name: 'fast', limit: '5/1s' },
        { name: 'slow', limit: '90/1h' },
      ],
    })
    await at.guard.limits.set(ALICE, 'slow', '80/1h')
    at.guard.reconfigure({ throttle: { name: 'fast', limit: '6/1s' } })
    await at.guard.limits.set(ALICE, 'go', '50/1h')
    await at.guard.limits.set(ALICE, 'fast', '2/1s')
    await expect(at.guard.limits.set(ALICE, 'user', '5/1m')).rejects.toMatchObject({
      code: 'limit.unknown',
      message: expect.stringMatching(/Limits: go, fast\./),
    })
    // Stored changes can still be removed.
    expect(await at.guard.limits.remove(ALICE, 'slow')).toBe(1)
  })
})
