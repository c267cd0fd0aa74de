// npm run interop:telegram: telegraf, node-telegram-bot-api and GramIO hold a conversation with the embedded Telegram. Arguments select
// clients by name.
import { join } from 'node:path'
import { installed } from './installed.mjs'
import { node, root } from './run.mjs'

await installed('interop')
for (const step of [
  [join(root, 'scripts', 'build.mjs')],
  [join(root, 'interop', 'telegram', 'run.mjs'), ...process.argv.slice(2)],
]) {
  const code = await node(step)
  if (code !== 0) process.exit(code)
}
