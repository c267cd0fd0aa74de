// Run this after npm install if the package source serves only some platforms: npm then omits the binaries of other platforms from the
// lock file, and "npm ci" rejects it as incomplete everywhere. Adds the missing entries, and removes the addresses that packages were
// downloaded from. For another lock file, name its folder: node scripts/lock-platforms.mjs interop
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { missingPlatforms } from './lock-missing.mjs'
import { root } from './run.mjs'

const path = join(root, process.argv[2] ?? '.', 'package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8'))
const missing = missingPlatforms(lock)
for (const [name, entry] of missing) {
  // Without integrity, which npm adds when it first downloads the package.
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
