import type { ChildProcess } from 'node:child_process'
import { Bot } from 'grammy'
import { type MtprotoClient, mtproto } from '../../src/mtproto/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { startTelegram, type Telegram } from '../../src/telegram/index.js'
import { Workshop } from '../storage/worker/workers.js'
import type { Said, Told } from './worker/program.js'

// A child process is killed while it handles updates. The next process must receive what was not handled.

let workshop: Workshop
let telegram: Telegram
let child: ChildProcess | undefined
let client: MtprotoClient | undefined

beforeAll(async () => {
  workshop = await Workshop.open(['src/core', 'src/storage', 'src/mtproto', 'test/mtproto/worker'])
})

afterEach(async () => {
  child?.kill('SIGKILL')
  await client?.close()
  await telegram.close()
})

afterAll(() => workshop.close())

test('the successor of a killed process receives unhandled and missed updates, but none that were handled, even behind unhandled ones', async () => {
  telegram = await startTelegram({ patience: '30s' })
  const face = await telegram.mtproto()
  const account = telegram.createBot({ username: 'watcher_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const carol = telegram.createUser({ firstName: 'Carol' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const bot = new Bot(account.token, account.config)
  await bot.init()

  const said: Said[] = []
  const waiting = new Set<() => void>()
  const told: Told = { token: account.token, me: bot.botInfo, server: { ...face.address } }
  const running = workshop.fork('test/mtproto/worker/program', [JSON.stringify(told)])
  child = running
  const ended = new Promise<void>((resolve) => running.on('exit', () => resolve()))
  running.on('message', (message: Said) => {
    said.push(message)
    for (const look of waiting) look()
  })
  const until = (is: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!is()) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  const indexOf = (what: string, text: string): number =>
    said.findIndex((each) => each.what === what && 'text' in each && each.text === text)
  const wroteAfter = (index: number, key: RegExp): boolean =>
    index >= 0 && said.slice(index).some((each) => each.what === 'wrote' && key.test(each.key))

  /** The number of updates last recorded as handled ahead of the position of a box; each takes eight bytes. */
  const aheadIn = (key: RegExp): number => {
    const last = said.findLast((each) => each.what === 'wrote' && key.test(each.key))
    const { sealed } = (last !== undefined && 'value' in last ? last.value : {}) as { sealed?: string }
    return Buffer.from(sealed?.replace(/^plain:/, '') ?? '', 'base64').length / 8
  }

  await until(() => said.some(({ what }) => what === 'ready'))
  await alice.in(plaza).sends('handled in the group')
  await until(() => wroteAfter(indexOf('ended', 'handled in the group'), /updates_channel/))
  await alice.in(plaza).sends('hangs in the group')
  await until(() => indexOf('began', 'hangs in the group') >= 0)
  const behind = await alice.in(plaza).sends('handled behind it')
  await alice.in(plaza).edits(behind, 'edited behind it')
  await alice.to(account).sends('handled in private')
  await until(() => wroteAfter(indexOf('ended', 'handled in private'), /updates_pts/))
  await alice.to(account).sends('hangs in private')
  await until(() => indexOf('began', 'hangs in private') >= 0)
  await alice.to(account).sends('handled behind that')
  await carol.to(account).sends('and of somebody else')
  // Two in the group, and two in private chats, which share a box.
  await until(() => aheadIn(/handled_ahead:1000000001$/) === 2 && aheadIn(/handled_ahead:0$/) === 2)
  expect(wroteAfter(indexOf('began', 'hangs in the group'), /updates_channel/)).toBe(false)
  expect(wroteAfter(indexOf('began', 'hangs in private'), /updates_pts/)).toBe(false)
  running.kill('SIGKILL')
  await ended
  await alice.in(plaza).sends('said meanwhile in the group')
  await alice.to(account).sends('said meanwhile in private')

  const storage = memory()
  for (const each of said)
    if (each.what === 'wrote') await storage.values.put(each.space, each.key, each.value)
  const heard: string[] = []
  let hear: () => void = () => undefined
  bot.on(['message:text', 'edited_message:text'], ({ msg: { text } }) => {
    heard.push(text)
    hear()
  })
  client = mtproto({ apiId: 1, apiHash: 'any', botToken: account.token, server: face.address, storage })
  await client.bridge(bot)
  await new Promise<void>((resolve) => {
    hear = () => (heard.length >= 4 ? resolve() : undefined)
    hear()
  })
  // Anything else would arrive before these messages.
  await alice.in(plaza).sends('the last')
  await alice.to(account).sends('the very last')
  await new Promise<void>((resolve) => {
    hear = () => (heard.length >= 6 ? resolve() : undefined)
    hear()
  })
  expect([...heard].sort()).toEqual([
    'hangs in private',
    'hangs in the group',
    'said meanwhile in private',
    'said meanwhile in the group',
    'the last',
    'the very last',
  ])
  const { gaps, tooLong } = client.counts()
  expect(gaps).toBeGreaterThanOrEqual(2)
  expect(tooLong).toBe(0)
  expect(face.calls('auth.importBotAuthorization')).toBe(1)
})
