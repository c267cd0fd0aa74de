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
async function spend(path, tell) {
  const storage = await open(path)
  const judge = await storage.prepare(PLAN)
  let admitted = 0
  for (let n = 0; n < LIMIT; n++) {
    const { refusedBy } = await judge.evaluate({ bot: 1, subjects: ['u7'], costs: [1], tokens: [] })
    if (refusedBy === -1) admitted++
    await tell?.(admitted)
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
  outcome.checks++
  const problem = await survives(join(folder, 'killed.db'))
  if (problem !== undefined) outcome.failures.push(problem)
  rmSync(folder, { recursive: true, force: true })
  console.log(JSON.stringify(outcome))
}

/** A process is killed while it writes: what it has told of is there, and the file is sound. */
async function survives(path) {
  const child = start(path, 'slowly')
  let told = 0
  await new Promise((resolve) => {
    child.stdout.on('data', (chunk) => {
      told = Number(String(chunk).trim().split('\n').at(-1))
      if (told >= 50) child.kill('SIGKILL')
    })
    child.once('close', resolve)
  })
  const left = await spend(path)
  if (left > LIMIT - told) return `a killed process had let ${told} through, and ${left} more were after it`
  if (left === 0) return 'a killed process left nothing to let through'
  return undefined
}

function start(...args) {
  const own = globalThis.Deno === undefined ? process.execArgv : ['run', '--allow-all']
  return spawn(process.execPath, [...own, fileURLToPath(import.meta.url), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** The same in a process of its own; how many it let through. */
function another(path) {
  return new Promise((resolve, reject) => {
    const child = start(path)
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    child.once('error', reject)
    child.once('close', () => resolve(Number(said)))
  })
}

const [path, slowly] = process.argv.slice(2)
if (path === undefined) await main()
else if (slowly === undefined) console.log(await spend(path))
else {
  // So slowly that it is not done before it is killed.
  await spend(path, async (admitted) => {
    console.log(admitted)
    await new Promise((done) => setTimeout(done, 20))
  })
}
