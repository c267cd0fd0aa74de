// npm run interop:telegram: telegraf, node-telegram-bot-api and GramIO hold a conversation with the embedded Telegram. Installs what
// the private package in interop/ locks, if it is not there yet. Arguments name the clients that are wanted.
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

/** Whether what lies there is what the lock file says. */
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

/** npm itself, by the path npm gives to what it starts, else by name. */
function npm(args) {
  const cli = process.env.npm_execpath
  const options = { cwd: folder, stdio: 'inherit' }
  if (cli?.endsWith('.js')) execFileSync(process.execPath, [cli, ...args], options)
  else execFileSync('npm', args, options)
}
