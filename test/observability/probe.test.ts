import type { Probe } from '../../src/index.js'
import { type Desk, desk, later } from '../sentinel/desk.js'

/** A probe that records its calls under a name. */
function noting(name: string, told: string[], idle?: () => boolean): Probe {
  return {
    get idle() {
      return idle?.() ?? false
    },
    update(ctx, next, go) {
      told.push(`${name} update`)
      return go(ctx, async () => {
        told.push(`${name} handlers`)
        await next()
      })
    },
    step(step, run) {
      told.push(`${name} ${step.kind} ${step.name}`)
      return run()
    },
    asked(_plan, _ask, { refusedBy }, ms) {
      told.push(`${name} asked ${refusedBy} ${ms >= 0}`)
    },
    events: {
      allowed: () => void told.push(`${name} allowed`),
      denied: ({ verdict }) => void told.push(`${name} ${verdict.reason}`),
    },
  }
}

/** Returns what probes record during one update. */
async function around(stage: Desk, told: string[]): Promise<string[]> {
  told.length = 0
  await stage.says(7, 'a')
  return told.slice()
}

describe.each([
  ['at once', undefined],
  ['in a while', later],
])('a probe of a sentinel whose storage answers %s', (_, storage) => {
  const quiet = (): Desk =>
    desk({
      membership: false,
      ...(storage !== undefined && { storage: storage() }),
      throttle: { limit: '2/1m' },
    })

  test('sees every step in order, until it is removed', async () => {
    const told: string[] = []
    const stage = quiet()
    const stop = stage.guard.probe(noting('one', told))
    expect((await around(stage, told)).filter((line) => !line.includes('background'))).toEqual([
      'one update',
      'one storage evaluate',
      'one asked -1 true',
      'one allowed',
      'one handlers',
    ])
    await around(stage, told)
    expect((await around(stage, told)).filter((line) => /limited|handlers/.test(line))).toEqual([
      'one limited',
    ])
    stop()
    expect(await around(stage, told)).toEqual([])
    await stage.guard.close()
  })

  test('sees only updates while it is idle, and everything afterwards', async () => {
    const told: string[] = []
    let idle = true
    const stage = quiet()
    stage.guard.probe(noting('one', told, () => idle))
    expect(await around(stage, told)).toEqual(['one update', 'one handlers'])
    idle = false
    expect(await around(stage, told)).toContain('one allowed')
    await stage.guard.close()
  })

  test('runs outside of probes that were added later', async () => {
    const told: string[] = []
    const stage = quiet()
    stage.guard.probe(noting('one', told))
    const stop = stage.guard.probe(noting('two', told))
    stage.guard.probe(noting('idle', told, () => true))
    const lines = (await around(stage, told)).filter((line) => !line.includes('background'))
    expect(lines).toEqual([
      'one update',
      'two update',
      'idle update',
      'one storage evaluate',
      'two storage evaluate',
      'one asked -1 true',
      'two asked -1 true',
      'one allowed',
      'two allowed',
      'idle handlers',
      'two handlers',
      'one handlers',
    ])
    stop()
    expect((await around(stage, told)).some((line) => line.startsWith('two'))).toBe(false)
    await stage.guard.close()
  })
})

test('an exception of a probe is reported as an error, and stops nothing', async () => {
  const stage = desk()
  const during: string[] = []
  stage.guard.on('error', (failure) => during.push(failure.during))
  stage.guard.probe({
    events: {
      allowed: () => {
        throw new Error('no')
      },
    },
  })
  await stage.says(7, 'a')
  expect(during).toEqual(['listener for allowed'])
  expect(stage.reached).toEqual(['a'])
})
