import { AsyncLocalStorage } from 'node:async_hooks'
import { Bot } from 'grammy'
import { type SentinelOptions, sentinel } from '../../src/index.js'
import { Extras } from '../extras.js'
import { desk, edits, says, tick } from '../sentinel/desk.js'
import { Stage } from './rig.js'

/* The handlers of a burst run in the asynchronous context of the update whose `ctx` they get, whatever lets the burst begin. */

const ALICE = 7
const BOB = 8
const trailing = { mode: 'trailing', window: '1s' } as const
const requests = new AsyncLocalStorage<string>()

function stand(options: SentinelOptions) {
  const ran: string[] = []
  const work: (() => void)[] = []
  const made = desk({ throttle: false, ...options }, (bot) =>
    bot.use(async (ctx) => {
      ran.push(`${ctx.msg?.text} in ${requests.getStore()}`)
      await new Promise<void>((done) => work.push(done))
    }),
  )
  return {
    ...made,
    ran,
    /** Delivers a message in a context that has the name of its text. */
    async comes(from: number, text: string): Promise<void> {
      await requests.run(text, () => made.handle(says(from, text)))
    },
    /** Delivers an edit, whose handlers run when those of its message have ended. */
    async isEdited(from: number, text: string): Promise<void> {
      await requests.run(text, () => made.handle(edits(from, text)))
    },
    async settled(): Promise<void> {
      for (let turn = 0; turn < 10; turn++) await tick()
    },
    async end(): Promise<void> {
      for (const done of work.splice(0)) done()
      for (let turn = 0; turn < 10; turn++) await tick()
    },
  }
}

describe.each<[string, SentinelOptions]>([
  ['debounce', {}],
  ['debounce with concurrency', { concurrency: {} }],
])('%s: a burst', (_, more) => {
  test('begun by the timer of its first message', async () => {
    const { comes, time, ran, settled, end, guard } = stand({ debounce: trailing, ...more })
    for (const text of ['first', 'second', 'third']) await comes(ALICE, text)
    time.advance(1000)
    await settled()
    expect(ran).toEqual(['third in third'])
    await end()
    await guard.close()
  })

  test('begun by the message of another user, because too many wait', async () => {
    const { comes, ran, settled, end, guard } = stand({ debounce: { ...trailing, maxKeys: 1 }, ...more })
    await comes(ALICE, 'first')
    await comes(BOB, 'second')
    await settled()
    expect(ran).toEqual(['first in first'])
    const closed = guard.close()
    await settled()
    await end()
    await closed
  })

  test('begun by reconfigure() and by close()', async () => {
    const { comes, ran, settled, end, guard } = stand({ debounce: trailing, ...more })
    await comes(ALICE, 'first')
    const changed = requests.run('reconfigure()', () => guard.reconfigure({ throttle: '90/1m' }))
    await settled()
    await end()
    await changed
    await comes(ALICE, 'second')
    const closed = requests.run('close()', () => guard.close())
    await settled()
    await end()
    await closed
    expect(ran).toEqual(['first in first', 'second in second'])
  })

  test('and an edit behind it, begun when the burst before has ended', async () => {
    const { comes, isEdited, time, ran, settled, end, guard } = stand({ debounce: trailing, ...more })
    await comes(ALICE, 'first')
    await isEdited(ALICE, 'edited')
    time.advance(1000)
    await settled()
    await end()
    await end()
    expect(ran).toEqual(['first in first', 'edited in edited'])
    await guard.close()
  })
})

test('the handlers of each branch of a fork run in the context of their branch', async () => {
  const time = new Stage()
  const { clock, timers } = time
  const guard = sentinel({ clock, timers, debounce: trailing })
  const { account, config } = new Extras(clock).hire(42)
  const bot = new Bot(account.token, config)
  const ran: string[] = []
  for (const branch of ['fork', 'main']) {
    const on = branch === 'fork' ? bot.fork() : bot
    on.use((_, next) => requests.run(branch, next), guard)
    on.use(() => void ran.push(`${branch} in ${requests.getStore()}`))
  }
  await bot.handleUpdate(says(ALICE, 'hello'))
  time.advance(1000)
  await tick()
  expect(ran.sort()).toEqual(['fork in fork', 'main in main'])
  await guard.close()
})
