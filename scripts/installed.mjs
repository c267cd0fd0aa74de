import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { npm, root } from './run.mjs'

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
  npm(args, { cwd: folder, stdio: 'inherit', timeout: 10 * 60_000 })
  writeFileSync(stamp, lock)
}

// Run by npm test in parallel with its tests, for a folder that a later step needs.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await installed(process.argv[2])
