import type { HookRanEvent } from '../../src/middleware/events.js'
import { tick } from '../sentinel/desk.js'
import { on, opened, pass } from './hooked.js'

describe('the duration of hooks', () => {
  test('is reported by name, with the result, and measured only if there is a listener', async () => {
    opened()
    on.guard.on('error', () => undefined)
    const ran: HookRanEvent[] = []
    on.guard.hook('before:block', async function quick() {
      await tick()
    })
    on.guard.hook('before:block', {
      name: 'broken',
      run(): void {
        throw new Error('boom')
      },
    })
    const hung = (): Promise<void> => new Promise(() => undefined)
    on.guard.hook('before:block', { run: hung, timeout: 20 })
    on.guard.hook('before:block', () => undefined)
    await pass(on.says(1, 'a'))
    const stop = on.guard.on('hook.ran', (event) => ran.push(event))
    on.guard.hook('before:throttle', { name: 'strict', run: () => ({ veto: 'no' }) })
    await pass(on.says(1, 'b'))
    stop()
    await pass(on.says(1, 'c'))
    expect(ran.map(({ name, point, outcome }) => `${point} ${name} ${outcome}`)).toEqual([
      'before:block quick done',
      'before:block broken failed',
      'before:block hung late',
      'before:block before:block#4 done',
      'before:throttle strict vetoed',
    ])
    expect(ran.every(({ ms }) => ms >= 0 && ms < 60_000)).toBe(true)
  })
})

test.each<[string, () => void]>([
  ['throws', raiseAway],
  ['is rejected', async () => raiseAway()],
])('a listener that %s for hooks of errors does not receive its own failure', async (_, fails) => {
  opened()
  const ran: string[] = []
  const errors: string[] = []
  const said: string[] = []
  const { error } = console
  console.error = (text: string) => void said.push(text)
  try {
    on.guard.hook('error', ({ during }) => void errors.push(during))
    on.guard.hook('allowed', () => undefined)
    on.guard.on('hook.ran', ({ point }) => {
      ran.push(point)
      return fails()
    })
    await on.says(1, 'a')
    for (let turn = 0; turn < 20; turn++) await tick()
  } finally {
    console.error = error
  }
  expect([ran, errors]).toEqual([['allowed', 'error'], ['listener for hook.ran']])
  expect(said).toEqual([expect.stringContaining('listener for hook.ran')])
})

function raiseAway(): never {
  throw new Error('metrics are away')
}

test('hooks without a name get distinct names, even after others were removed', async () => {
  opened()
  const ran: string[] = []
  on.guard.on('hook.ran', ({ name }) => ran.push(name))
  const hook = () => on.guard.hook('allowed', () => undefined)
  const [first] = [hook(), hook()]
  first()
  first()
  hook()
  hook()
  await on.says(1, 'a')
  expect(ran.toSorted()).toEqual(['allowed#1', 'allowed#2', 'allowed#3'])
  // The number of names stays small, however often options are changed.
  for (let i = 0; i < 5; i++) on.guard.reconfigure({ hooks: { 'before:block': [() => undefined] } })
  ran.length = 0
  await on.says(1, 'b')
  expect(ran[0]).toMatch(/^before:block#[12]$/)
})
