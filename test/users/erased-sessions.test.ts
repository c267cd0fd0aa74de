import { type Bot, type Context, lazySession, type SessionFlavor, session } from 'grammy'
import { memory, type SessionStorage, type Storage, sessionsOver } from '../../src/index.js'
import { desk, later, nextId, says, tick } from '../sentinel/desk.js'

/* grammY writes a session back when the handlers have ended, also if one of them has erased its user. */

interface Diary {
  lines: string[]
}
type WithDiary = Context & SessionFlavor<Diary>

const ALICE = 7
const BOB = 8

function stand(storage: Storage, middleware: 'session' | 'lazySession' = 'session') {
  const at = desk({ storage })
  const { users } = at.guard
  const kept: SessionStorage<Diary> = users.sessions()
  const bot = at.bot as unknown as Bot<WithDiary>
  const initial = (): Diary => ({ lines: [] })
  const given = { initial, storage: kept as never }
  if (middleware === 'session') bot.use(session(given))
  else bot.use(lazySession(given) as never)
  bot.use(async (ctx, next) => {
    const diary = await ctx.session
    diary.lines.push(ctx.msg?.text ?? '')
    await next()
  })
  const gates: (() => void)[] = []
  bot.command('forget_me', async () => {
    await users.erase(ALICE)
  })
  bot.command('begin_anew', async (ctx) => {
    await users.erase(ALICE)
    ctx.session = { lines: ['anew'] }
  })
  bot.command('wait', () => new Promise<void>((open) => gates.push(open)))
  return { ...at, users, kept, gates }
}

/** A storage that waits for `gate.read` before it answers a read, and for `gate.remove` before it removes something. */
function gated() {
  const inner = later()
  const gate: { read?: (() => Promise<void>) | undefined; remove?: () => Promise<void> } = {}
  const values: Storage['values'] = {
    ...inner.values,
    async get(...args) {
      const found = await inner.values.get(...args)
      await gate.read?.()
      return found
    },
    async remove(...args) {
      await gate.remove?.()
      return inner.values.remove(...args)
    },
  }
  const storage: Storage = { ...inner, values, sessions: (options) => sessionsOver(values, options) }
  return { storage, gate }
}

test('a session whose read is under way during the erasure stays erased', async () => {
  const { storage, gate } = gated()
  const { says: say, handle, kept, users, guard } = stand(storage)
  await say(ALICE, 'secret')
  const answers: (() => void)[] = []
  gate.read = () => new Promise((answer) => answers.push(answer))
  const reading = handle(says(ALICE, 'two', { id: nextId() }))
  while (answers.length === 0) await tick()
  gate.read = undefined
  await users.erase(ALICE)
  answers[0]?.()
  await reading
  expect(await kept.read('7')).toBeUndefined()
  await guard.close()
})

test('a session that is read just before it is removed stays erased', async () => {
  const { storage, gate } = gated()
  const { says, kept, users, guard } = stand(storage)
  await says(ALICE, 'secret')
  let session: Diary | undefined
  gate.remove = async () => {
    session ??= await kept.read('7')
  }
  await users.erase(ALICE)
  expect(session).toEqual({ lines: ['secret'] })
  await kept.write('7', session as Diary)
  expect(await kept.read('7')).toBeUndefined()
  await guard.close()
})

test('a session that another account takes over is stored, although the session of that account was erased', async () => {
  const { says, kept, users, guard } = stand(memory())
  await says(ALICE, 'mine')
  await says(BOB, 'his')
  const session = await kept.read('7')
  await users.erase(BOB)
  await kept.write('8', session as Diary)
  expect(await kept.read('8')).toEqual({ lines: ['mine'] })
  await guard.close()
})

describe.each<[string, () => Storage]>([
  ['memory', () => memory()],
  ['a storage that answers later', () => later()],
])('in %s', (_, make) => {
  test.each(['session', 'lazySession'] as const)(
    'a session that a handler has read stays erased: %s()',
    async (middleware) => {
      const { says, users, kept, guard } = stand(make(), middleware)
      await says(ALICE, 'secret')
      await says(BOB, 'hello')
      await says(ALICE, '/forget_me')
      expect(await kept.read('7')).toBeUndefined()
      expect((await users.export(ALICE)).values).toEqual([])
      expect(await kept.read('8')).toEqual({ lines: ['hello'] })
      await says(ALICE, 'back')
      expect(await kept.read('7')).toEqual({ lines: ['back'] })
      await says(ALICE, 'and again')
      expect(await kept.read('7')).toEqual({ lines: ['back', 'and again'] })
      await guard.close()
    },
  )

  test('a session that a handler assigns after the erasure is stored', async () => {
    const { says, kept, guard } = stand(make())
    await says(ALICE, 'secret', '/begin_anew')
    expect(await kept.read('7')).toEqual({ lines: ['anew'] })
    await guard.close()
  })

  test('a session that another update holds meanwhile stays erased, too', async () => {
    const { says: say, handle, kept, gates, users, guard } = stand(make())
    await say(ALICE, 'secret')
    const waiting = handle(says(ALICE, '/wait', { id: nextId() }))
    while (gates.length === 0) await tick()
    await users.erase(ALICE)
    gates[0]?.()
    await waiting
    expect(await kept.read('7')).toBeUndefined()
    await guard.close()
  })
})
