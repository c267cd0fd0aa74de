// npm run interop -- tdlib: TDLib, the client that Telegram's own apps and its Bot API server are made of, against the embedded
// Telegram. Reads dist: build first. TDLIB_LOG=path writes down all that TDLib says.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asBot } from './bot.mjs'
import { Checks } from './checks.mjs'
import { TdLog } from './log.mjs'
import { asPerson } from './person.mjs'
import { Redirector } from './redirector.mjs'

/** Whatever hangs is told before the suite is killed for it. */
const MOST_MS = 100_000
/** How long one answer or update is waited for: less than a client waits before it asks again by itself would prove nothing. */
const PATIENCE_MS = 30_000

const entry = new URL('../../dist/telegram/index.js', import.meta.url)
if (!existsSync(entry)) {
  console.error('interop: dist is missing; run "npm run build" first')
  process.exit(1)
}
const { startTelegram } = await import(entry.href)

const folder = mkdtempSync(join(tmpdir(), 'tdlib-'))
const checks = new Checks()
const watch = setTimeout(() => {
  checks.fail(`still ran after ${MOST_MS / 1000} s, at: ${checks.current}`)
  end()
}, MOST_MS)

const telegram = await startTelegram({ patience: '30s' })
const face = await telegram.mtproto({ dc: 1 })
const redirector = new Redirector(face.address.port)
await redirector.listen()
const log = new TdLog({ publicKey: face.address.publicKey, folder, path: process.env.TDLIB_LOG })
const place = { telegram, face, redirector, folder, patience: PATIENCE_MS, log }
try {
  await asBot(checks, place)
  await asPerson(checks, place)
  await checks.that('TDLib complains of nothing', () => log.assertQuiet())
} catch (error) {
  checks.fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
}
await redirector.close()
await telegram.close()
clearTimeout(watch)
end()

function end() {
  rmSync(folder, { recursive: true, force: true })
  console.log(JSON.stringify({ checks: checks.count, failures: checks.failures }))
  process.exit(checks.failures.length === 0 ? 0 : 1)
}
