import { Background } from '../../src/middleware/services/background.js'
import { onWorkers } from '../on-workers.js'
import { tick } from '../sentinel/desk.js'
import { Stage } from './rig.js'

const MINUTE = 60_000
const never = () => new Promise<void>(() => undefined)

function background(most: number) {
  const time = new Stage()
  const failures: unknown[] = []
  return { time, failures, work: new Background((error) => failures.push(error), time.clock, most) }
}

test.each([1, 2, 3, 4, 5])('of %d places a chat gets one, and other chats get the others', (most) => {
  const { work } = background(most)
  for (let chat = 1; chat <= most; chat++) {
    expect(work.run('notice', never, chat)).toBe(true)
    expect(work.run('notice', never, chat)).toBe(false)
  }
  expect(work.run('notice', never, 99)).toBe(false)
  expect([work.size, work.dropped]).toEqual([most, most + 1])
})

test('a place is given back whatever becomes of the work', async () => {
  const { work, failures } = background(1)
  const thrown = new Error('thrown')
  const ends: (() => Promise<void>)[] = [
    async () => undefined,
    () => Promise.reject(thrown),
    () => {
      throw thrown
    },
  ]
  for (const end of ends) {
    expect(work.run('notice', end, 1)).toBe(true)
    await tick()
    expect(work.size).toBe(0)
  }
  expect(failures).toEqual([thrown, thrown])
})

test('work that hangs keeps its place', () => {
  const { time, work } = background(1)
  work.run('notice', never)
  time.advance(60 * MINUTE)
  expect([work.run('notice', never), work.size]).toEqual([false, 1])
})

describe('where work ends with the request that started it', () => {
  onWorkers()

  test('work of a minute ago holds no place: its request may have ended', async () => {
    const { time, work } = background(1)
    let end = (): void => undefined
    work.run('notice', () => new Promise<void>((done) => (end = done)))
    time.advance(MINUTE)
    expect(work.run('notice', never)).toBe(false)
    time.advance(1)
    expect([work.run('notice', never), work.size]).toEqual([true, 1])
    end()
    await tick()
    expect(work.size).toBe(1)
  })

  test('draining does not wait for it either', async () => {
    const { time, work } = background(1)
    work.run('notice', never)
    time.advance(MINUTE + 1)
    await work.drain()
    expect(work.size).toBe(0)
  })
})
