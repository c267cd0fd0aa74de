// npm run interop -- tdlib: TDLib, the client that Telegram's own apps and its Bot API server are made of, against the embedded
// Telegram. Reads dist: build first. TDLIB_LOG=path writes down all that TDLib says, TDLIB_TIMES=1 tells how long each check took.
import { deepEqual, throws } from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asBot } from './bot.mjs'
import { routeTo } from './centres.mjs'
import { Checks } from './checks.mjs'
import { Client } from './client.mjs'
import { libraryThatTrusts } from './library.mjs'
import { TdLog } from './log.mjs'
import { asPerson } from './person.mjs'
import { byCode } from './qr.mjs'
import { Redirector } from './redirector.mjs'

/** Whatever hangs is told before the suite is killed for it. */
const MOST_MS = 100_000
/** How long one answer or update is waited for. */
const PATIENCE_MS = 40_000

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

const telegram = await startTelegram({ patience: '40s' })
const face = await telegram.mtproto({ dc: 1, others: [2] })
const { route, strays } = routeTo([face.address, face.addressOf(2)])
const redirector = new Redirector(route)
await redirector.listen()
const clients = []
const open = (name, settings) => {
  const client = new Client(name, { folder, proxyPort: redirector.port, patience: PATIENCE_MS, ...settings })
  clients.push(client)
  return client
}
const place = { telegram, face, redirector, folder, open }
try {
  await checks.that('a library whose keys are others than two of that length is not touched', () => {
    const { publicKey } = face.address
    const source = join(folder, 'other.so')
    for (const keys of [0, 1, 3]) {
      writeFileSync(source, `text\0${`${publicKey.trimEnd()}\0`.repeat(keys)}text`)
      throws(
        () => libraryThatTrusts(publicKey, folder, source),
        new RegExp(`holds ${keys} keys of 425 bytes`),
      )
    }
    throws(() => libraryThatTrusts(publicKey.slice(30), folder), /our key takes \d+ bytes/)
  })
  const log = new TdLog({ publicKey: face.address.publicKey, folder, path: process.env.TDLIB_LOG })
  await asBot(checks, place)
  await asPerson(checks, place)
  await byCode(checks, place)
  await checks.that('it went to Telegram, as it believes, and nowhere else', () => deepEqual(strays, []))
  await checks.that('it complains of nothing that the server said', () => log.assertQuiet())
} catch (error) {
  checks.fail(error instanceof Error ? error.message : String(error))
}
// TDLib runs in threads of its own: a process that ends under them is aborted.
for (const client of clients) await client.close().catch((error) => checks.fail(error.message))
await redirector.close()
await telegram.close()
clearTimeout(watch)
end()

function end() {
  rmSync(folder, { recursive: true, force: true })
  console.log(JSON.stringify({ checks: checks.count, failures: checks.failures }))
  process.exit(checks.failures.length === 0 ? 0 : 1)
}
