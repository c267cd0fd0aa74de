// npm run interop:telegram: telegraf, node-telegram-bot-api and GramIO hold a conversation with the embedded Telegram. Installs the
// private package in interop/ first, if it is missing. Arguments select clients by name.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { node, root } from './run.mjs'

const folder = join(root, 'interop')
if (!isInstalled()) {
  console.log('installing what interop/ locks')
  npm(['ci', '--no-audit', '--no-fund'])
}
for (const step of [
  [join(root, 'scripts', 'build.mjs')],
  [join(folder, 'telegram', 'run.mjs'), ...process.argv.slice(2)],
]) {
  const code = await node(step)
  if (code !== 0) process.exit(code)
}

/** Whether the installed packages match the lock file. */
function isInstalled() {
  const installed = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return false
  const read = (path) => JSON.parse(readFileSync(path, 'utf8')).packages
  const [there, locked] = [read(installed), read(join(folder, 'package-lock.json'))]
  return ['telegraf', 'node-telegram-bot-api', 'gramio'].every((name) => {
    const place = `node_modules/${name}`
    return locked[place] !== undefined && there[place]?.version === locked[place].version
  })
}

/** Runs npm, by the path that npm passes to its scripts, otherwise by name. */
function npm(args) {
  const cli = process.env.npm_execpath
  const options = { cwd: folder, stdio: 'inherit' }
  if (cli?.endsWith('.js')) execFileSync(process.execPath, [cli, ...args], options)
  else execFileSync('npm', args, options)
}
