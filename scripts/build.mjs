// Compiles src into dist, writes the JSON Schema of the options, and removes files of earlier builds.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { leaveOutDescriptions } from './lean.mjs'
import { programOf, root } from './run.mjs'

const dist = join(root, 'dist')
const tsc = spawnSync(
  process.execPath,
  [programOf('typescript', 'tsc'), '-p', 'tsconfig.build.json', '--listEmittedFiles'],
  { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 26 },
)
const MARK = /^TSFILE:\s*/
const lines = tsc.stdout.split('\n')
process.stdout.write(lines.filter((line) => !MARK.test(line)).join('\n'))
if (tsc.status !== 0) process.exit(tsc.status ?? 1)

const fresh = new Set(
  lines.filter((line) => MARK.test(line)).map((line) => resolve(root, line.replace(MARK, ''))),
)
if (fresh.size === 0) throw new Error('tsc named no file that it wrote')

// Editors use this schema to complete and check files of options.
const options = join(dist, 'options', 'index.js')
if (existsSync(options)) {
  const { optionsSchema } = await import(pathToFileURL(options))
  if (optionsSchema !== undefined) {
    const { z } = await import('zod')
    const schema = z.toJSONSchema(optionsSchema, { io: 'input', unrepresentable: 'any' })
    const path = join(dist, 'options.schema.json')
    writeFileSync(path, `${JSON.stringify(schema, null, 2)}\n`)
    fresh.add(path)
    leaveOutDescriptions([...fresh])
  }
}

const cli = join(dist, 'cli', 'main.js')
if (existsSync(cli)) chmodSync(cli, 0o755)

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath ?? entry.path, entry.name)
  if (entry.isDirectory() || fresh.has(path)) continue
  rmSync(path)
  console.log(`removed ${relative(root, path)}, which has no source`)
}
