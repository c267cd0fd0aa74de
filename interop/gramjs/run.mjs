// npm run interop -- gramjs: GramJS, which speaks an older layer of the API than we do, against the embedded Telegram: over TCP as a
// bot, over WebSocket as a person. Reads dist: build first. GRAMJS_LOG=DEBUG shows what it does.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { Checks } from '../tdlib/checks.mjs'
import { asBot } from './bot.mjs'
import { trust } from './client.mjs'
import { asPerson } from './person.mjs'

/** Whatever hangs is told before the suite is killed for it. */
const MOST_MS = 100_000

const entry = new URL('../../dist/telegram/index.js', import.meta.url)
if (!existsSync(entry)) {
  console.error('interop: dist is missing; run "npm run build" first')
  process.exit(1)
}
const { startTelegram } = await import(entry.href)

const checks = new Checks()
const watch = setTimeout(() => {
  checks.fail(`still ran after ${MOST_MS / 1000} s, at: ${checks.current}`)
  end()
}, MOST_MS)

const telegram = await startTelegram({ patience: '30s' })
const face = await telegram.mtproto()
trust(face.address.publicKey)
try {
  await asBot(checks, { telegram, face, assert })
  await asPerson(checks, { telegram, face, assert })
} catch (error) {
  checks.fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
}
await telegram.close()
clearTimeout(watch)
end()

function end() {
  console.log(JSON.stringify({ checks: checks.count, failures: checks.failures }))
  process.exit(checks.failures.length === 0 ? 0 : 1)
}
