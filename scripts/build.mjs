// Compiles src and writes the JSON Schema of the options, in a folder of its own, which then replaces dist at once: a program that reads
// dist meanwhile finds no half-written file, and no file of an earlier build is left.
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { leaveOutDescriptions } from './lean.mjs'
import { programOf, root } from './run.mjs'

const dist = join(root, 'dist')
// Several builds may run at the same time.
const next = `${dist}.${process.pid}`
const last = `${next}.last`
process.on('exit', () => {
  for (const folder of [next, last]) rmSync(folder, { recursive: true, force: true })
})
// Without these, a signal ends the process without the event 'exit'.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))

const tsc = [programOf('typescript', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', next]
const { status } = spawnSync(process.execPath, tsc, { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

// Editors use this schema to complete and check files of options.
const { optionsSchema } = await import(pathToFileURL(join(next, 'options', 'index.js')))
const schema = z.toJSONSchema(optionsSchema, { io: 'input', unrepresentable: 'any' })
writeFileSync(join(next, 'options.schema.json'), `${JSON.stringify(schema, null, 2)}\n`)
const files = readdirSync(next, { recursive: true }).map((name) => join(next, name))
leaveOutDescriptions(files)
chmodSync(join(next, 'cli', 'main.js'), 0o755)

for (;;) {
  rmSync(last, { recursive: true, force: true })
  moved(dist, last, 'ENOENT')
  // Unless another build has just put its own there.
  if (moved(next, dist, 'ENOTEMPTY', 'EEXIST')) break
}

/** Renames a folder; returns false on an error with one of these codes. */
function moved(from, to, ...codes) {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (codes.includes(error.code)) return false
    throw error
  }
}
