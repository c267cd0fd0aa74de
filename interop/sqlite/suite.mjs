// On a runtime that has SQLite of its own: the contract of storages over a file, and processes that share one.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sqlite } from '../../dist/storage/sqlite/index.js'
import { storageConformance } from '../../dist/testing/conformance.js'

const LIMIT = 500
const PROCESSES = 3
const PLAN = {
  name: 'main',
  scopes: ['user'],
  checks: [
    {
      kind: 'window',
      form: 'fixed',
      guard: 'throttle',
      slot: 'user',
      subject: 0,
      limit: { amount: LIMIT, per: 3_600_000 },
    },
  ],
}

/** A path, where it opens files by itself; on Bun a database of Bun's. */
async function databaseAt(path) {
  if (globalThis.Bun === undefined) return path
  const { Database } = await import('bun:sqlite')
  const database = new Database(path)
  database.exec('PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL')
  return database
}

const open = async (path, options) => sqlite(await databaseAt(path), { busyTimeout: 20_000, ...options })

/** As many as are let through, of more than may be. */
async function spend(path) {
  const storage = await open(path)
  const judge = await storage.prepare(PLAN)
  let admitted = 0
  for (let n = 0; n < LIMIT; n++) {
    const { refusedBy } = await judge.evaluate({ bot: 1, subjects: ['u7'], costs: [1], tokens: [] })
    if (refusedBy === -1) admitted++
  }
  await storage.close()
  return admitted
}

async function main() {
  const outcome = { checks: 0, failures: [] }
  const folder = mkdtempSync(join(tmpdir(), 'sqlite-'))
  let places = 0
  const trial = {
    place: () => join(folder, `${++places}.db`),
    make: (clock, path) => open(path, { clock }),
    schedules: 40,
  }
  for (const { name, run } of storageConformance(trial)) {
    outcome.checks++
    await run().catch((error) => outcome.failures.push(`${name}: ${error.stack}`))
  }
  outcome.checks++
  const shared = join(folder, 'shared.db')
  const counts = await Promise.all(Array.from({ length: PROCESSES }, () => another(shared)))
  const sum = counts.reduce((total, count) => total + count, 0)
  if (sum !== LIMIT)
    outcome.failures.push(`${PROCESSES} processes let ${counts.join(' + ')} through, not ${LIMIT}`)
  rmSync(folder, { recursive: true, force: true })
  console.log(JSON.stringify(outcome))
}

/** The same in a process of its own; how many it let through. */
function another(path) {
  return new Promise((resolve, reject) => {
    const own = globalThis.Deno === undefined ? process.execArgv : ['run', '--allow-all']
    const child = spawn(process.execPath, [...own, fileURLToPath(import.meta.url), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    child.once('error', reject)
    child.once('close', () => resolve(Number(said)))
  })
}

const [path] = process.argv.slice(2)
if (path === undefined) await main()
else console.log(await spend(path))
