// Run after npm install, where a registry serves only some platforms: npm then leaves the binaries of the others
// out of the lock file, and "npm ci" refuses it as incomplete, everywhere. Writes in what it left out, and strikes out where
// packages were downloaded from. For a lock file elsewhere name its folder: node scripts/lock-platforms.mjs interop
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { missingPlatforms } from './lock-missing.mjs'
import { root } from './run.mjs'

const path = join(root, process.argv[2] ?? '.', 'package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8'))
const missing = missingPlatforms(lock)
for (const [name, entry] of missing) {
  // No integrity: npm adds it when it first downloads the package.
  lock.packages[`node_modules/${name}`] = entry
  console.log(`added ${name}@${entry.version}`)
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'))
lock.packages = Object.fromEntries(sorted)
let struck = 0
for (const entry of Object.values(lock.packages)) {
  if (entry.resolved === undefined) continue
  delete entry.resolved
  struck++
}
if (missing.length + struck > 0) writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
