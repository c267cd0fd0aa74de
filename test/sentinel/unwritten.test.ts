import { Bot } from 'grammy'
import { memory, type Sentinel, sentinel, userKey } from '../../src/index.js'
import { Extras } from '../extras.js'

/* A script that changes the block list of a running bot: it has the bot's storage, but receives no updates. */

function script(options: Parameters<typeof sentinel>[0]) {
  const guard = sentinel({ roles: { vip: {} }, ...options })
  const errors: unknown[] = []
  guard.on('error', (event) => errors.push(event))
  return { guard, errors }
}

async function changeMarks(guard: Sentinel): Promise<void> {
  await guard.block([5, 6])
  await guard.grant(7, 'vip')
  await guard.register(8)
}

test('close() reports blocks, roles and registrations that were never written because no bot was met', async () => {
  const { guard, errors } = script({ storage: memory() })
  await changeMarks(guard)
  await guard.close()
  expect(errors).toMatchObject([
    {
      during: 'close',
      error: { code: 'bot.unknown', message: expect.stringContaining('(4)') as unknown },
    },
  ])
})

test('a script that installs an initialised bot writes its marks', async () => {
  const storage = memory()
  const { guard, errors } = script({ storage })
  const { account, config } = new Extras(Date.now).hire(42)
  const bot = new Bot(account.token, config)
  await bot.init()
  guard.install(bot)
  await changeMarks(guard)
  await guard.close()
  expect(errors).toEqual([])
  expect(await storage.marks.get(42, userKey(5), 'blocked')).toBeDefined()
})

test('close() reports nothing for memory of the sentinel’s own, which ends with it', async () => {
  const { guard, errors } = script({})
  await changeMarks(guard)
  await guard.close()
  expect(errors).toEqual([])
})

test('close() reports them once, and none that has expired', async () => {
  let now = Date.UTC(2026, 0, 1)
  const { guard, errors } = script({ storage: memory(), clock: () => now })
  await guard.block(5, { for: '1s' })
  await guard.block(6)
  now += 1000
  await guard.close()
  await guard.close()
  expect(errors).toMatchObject([
    {
      error: {
        message: expect.stringContaining(
          'changes of blocks, registrations and roles were never written (1)',
        ) as unknown,
      },
    },
  ])
})
