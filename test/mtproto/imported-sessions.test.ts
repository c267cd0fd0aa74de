import { Bot } from 'grammy'
import { SessionStorage } from '../../src/mtproto/client/sessions/session-storage.js'
import { memory } from '../../src/storage/memory/memory.js'
import type { TelegramBot } from '../../src/telegram/index.js'
import { until } from '../servers/until.js'
import { account, alice, client, guest, onStage, telegram } from './stage.js'

onStage()

function hearing(bot: TelegramBot) {
  const heard: string[] = []
  const made = new Bot(bot.token, bot.config)
  made.on('message:text', ({ msg }) => void heard.push(msg.text))
  return { made, heard }
}

test.each(['telethon', 'mtcute'] as const)(
  'importing a session of another account (%s) replaces the old one, with its own updates and its own user id',
  async (format) => {
    const storage = memory()
    const other = telegram.createBot({ username: 'other_bot' })
    const elsewhere = guest({ botToken: other.token })
    await elsewhere.connect()
    const session = await elsewhere.exportSession(format)
    await elsewhere.close()

    const first = client({ storage })
    const was = hearing(account)
    await first.bridge(was.made)
    for (const text of ['one', 'two', 'three']) await alice.to(account).sends(text)
    await until('all came', () => was.heard.length === 3)
    await first.resolve('alice')
    await first.close()

    const second = guest({ storage })
    expect(await second.importSession(session)).toMatchObject({ id: other.id })
    const kept = new SessionStorage(storage, 'main', [])
    expect(await kept.kv.get('updates_pts')).toBeNull()
    expect(await kept.kv.get('last_message:0')).toBeNull()
    // Its access hash is valid only for the first account.
    expect(await kept.peers.getByUsername('alice')).toBeNull()
    const pyrogram = Buffer.from(await second.exportSession('pyrogram'), 'base64url')
    // https://docs.pyrogram.org/topics/storage-engines: dc, api_id, test_mode, auth_key, user_id, is_bot.
    expect(pyrogram.readBigUInt64BE(6 + 256)).toBe(BigInt(other.id))
    const now = hearing(other)
    await second.bridge(now.made)
    for (const text of ['four', 'five']) await alice.to(other).sends(text)
    await until('both came', () => now.heard.length === 2)
    expect(now.heard).toEqual(['four', 'five'])
  },
)

test('importing a session of the same account continues at the position of its updates', async () => {
  const storage = memory()
  const first = client({ storage })
  const { made, heard } = hearing(account)
  await first.bridge(made)
  await alice.to(account).sends('one')
  await until('it came', () => heard.length === 1)
  const session = await first.exportSession()
  await first.close()
  await alice.to(account).sends('missed')
  const second = guest({ storage })
  await second.importSession(session)
  await second.bridge(made)
  await until('what was missed came', () => heard.length === 2)
  expect(heard).toEqual(['one', 'missed'])
})
