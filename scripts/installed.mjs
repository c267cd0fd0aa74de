import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

/** Installs the dependencies of a folder with its own package, if its lock file has changed since the last time. */
export async function installed(name) {
  const folder = join(root, name)
  const stamp = join(folder, 'node_modules', '.installed')
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  console.log(`installing ${name}/ (the first time, or its lock file has changed)`)
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const cli = process.env.npm_execpath
  const [program, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []]
  execFileSync(program, [...first, ...args], { cwd: folder, stdio: 'inherit', timeout: 10 * 60_000 })
  writeFileSync(stamp, lock)
}
