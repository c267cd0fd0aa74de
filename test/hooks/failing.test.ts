import { type BeforeEvent, type FailureEvent, type Hook, hooks } from '../../src/index.js'
import { tick } from '../sentinel/desk.js'
import { nothing, on, opened, pass } from './hooked.js'

describe('a hook that fails', () => {
  test('by throwing or rejecting is reported, and the update continues', async () => {
    opened()
    const told: FailureEvent[] = []
    on.guard.on('error', (event) => told.push(event))
    on.guard.hook('before:block', function boom() {
      throw new Error('thrown')
    })
    on.guard.hook('after:throttle', { name: 'later', run: () => Promise.reject(new Error('rejected')) })
    await on.says(1, 'a')
    expect(on.reached).toEqual(['a'])
    expect(told).toEqual([
      { error: new Error('thrown'), during: 'hook boom' },
      { error: new Error('rejected'), during: 'hook later' },
    ])
  })

  test('by hanging is waited for a second, aborted by its signal, and its answer is ignored', async () => {
    opened()
    const told: FailureEvent[] = []
    on.guard.on('error', (event) => told.push(event))
    let reason: unknown
    on.guard.hook('before:block', {
      name: 'slow',
      run: (_, { signal }) =>
        new Promise((done) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            done({ veto: 'too late' })
          })
        }),
    })
    const handled = on.says(1, 'a')
    await tick()
    on.time.advance(999)
    await tick()
    expect(on.reached).toEqual([])
    on.time.advance(1)
    await handled
    expect(on.reached).toEqual(['a'])
    expect(told).toEqual([{ error: expect.objectContaining({ code: 'hook.timeout' }), during: 'hook slow' }])
    expect(reason).toBe(told[0]?.error)
  })

  test('by hanging has the given timeout', async () => {
    opened()
    on.guard.on('error', () => undefined)
    on.guard.hook('before:block', { run: () => new Promise(() => undefined), timeout: '5s' })
    const handled = on.says(1, 'a')
    await tick()
    on.time.advance(4999)
    await tick()
    expect(on.reached).toEqual([])
    on.time.advance(1)
    await handled
    expect(on.reached).toEqual(['a'])
  })

  test('at a hook for errors is not reported to itself endlessly', async () => {
    opened()
    let runs = 0
    const said: string[] = []
    const { error } = console
    console.error = (text: string) => void said.push(text)
    on.guard.hook('error', () => {
      runs++
      throw new Error('again')
    })
    on.guard.on('blocked', () => {
      throw new Error('first')
    })
    await on.says(1, 'a')
    await on.guard.block(1)
    await tick()
    console.error = error
    expect(runs).toBe(1)
    expect(said).toEqual([expect.stringContaining('listener for error')])
  })

  const lazy = {
    get x(): never {
      throw new Error('lazy')
    },
  }
  const answers: Record<string, object> = {
    enrich: { enrich: lazy },
    veto: {
      get veto(): never {
        throw new Error('lazy')
      },
    },
  }
  const throwing: [string, Hook<BeforeEvent>][] = Object.entries(answers).flatMap(([what, answer]) => [
    [`${what}, at once`, () => answer],
    [`${what}, later`, async () => answer],
    [`${what}, at once beside another`, hooks.parallel(() => answer, nothing)],
    [`${what}, later beside another`, hooks.parallel(nothing, async () => answer)],
  ])
  const wayward: [string, Hook<BeforeEvent>][] = [
    ['an object whose then() throws', () => Object.defineProperty({}, 'then', { value: () => lazy.x })],
    ['an object whose getter of then throws', () => Object.defineProperty({}, 'then', { get: () => lazy.x })],
  ]
  test.each([...throwing, ...wayward])(
    'by an answer that throws when it is read is reported, and the update continues: %s',
    async (_, hook) => {
      opened()
      const told: FailureEvent[] = []
      const ran: string[] = []
      on.guard.on('error', (event) => told.push(event))
      on.guard.on('hook.ran', ({ outcome }) => ran.push(outcome))
      on.guard.hook('before:block', hook)
      on.guard.hook('before:throttle', { name: 'next', run: () => void ran.push('next') })
      await on.says(1, 'a')
      expect(on.reached).toEqual(['a'])
      expect(told).toEqual([{ error: new Error('lazy'), during: expect.stringMatching(/^hook /) }])
      expect(ran.filter((outcome) => outcome === 'failed')).toHaveLength(1)
      expect(ran.slice(-2)).toEqual(['next', 'done'])
    },
  )

  test('after its run has ended affects no other run', async () => {
    opened()
    const signals: AbortSignal[] = []
    on.guard.on('error', () => undefined)
    on.guard.hook('before:block', { name: 'a', run: (_, { signal }) => void signals.push(signal) })
    on.guard.hook('before:block', (_, { signal }) => {
      signals.push(signal)
      return new Promise(() => undefined)
    })
    await pass(on.says(1, 'a'))
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true])
  })
})

test('a hook that answers after its timeout is reported once, as late', async () => {
  opened()
  const ran: string[] = []
  on.guard.on('error', () => undefined)
  on.guard.on('hook.ran', ({ name, outcome }) => ran.push(`${name} ${outcome}`))
  on.guard.hook('before:block', {
    name: 'slow',
    run: () => new Promise<void>((done) => on.time.timers.after(3000, done)),
  })
  on.guard.hook('before:block', {
    name: 'breaks',
    run: () => new Promise<void>((_, fail) => on.time.timers.after(3000, () => fail(new Error('late')))),
  })
  await pass(on.says(1, 'a'))
  on.time.advance(10_000)
  await tick()
  expect(ran).toEqual(['slow late', 'breaks late'])
})
