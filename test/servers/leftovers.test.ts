import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from './until.js'

/** Each test starts a whole run of jest. */

interface Report {
  readonly urls: readonly string[]
  readonly pid: number
}

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder: string
let run: ChildProcess
let output: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watched-run-'))
  // The user of Postgres needs access to its data.
  chmodSync(folder, 0o755)
  output = ''
})

afterEach(async () => {
  if (run.exitCode === null && run.signalCode === null) {
    run.kill('SIGKILL')
    await once(run, 'exit')
  }
  await until('the run left nothing to remove', () => leftovers().length === 0)
  rmSync(folder, { recursive: true })
})

function start(suites: string, env: Record<string, string>): void {
  const args = [
    '--experimental-vm-modules',
    'node_modules/jest/bin/jest.js',
    '--maxWorkers=2',
    '--no-watchman',
  ]
  run = spawn(process.execPath, [...args, '--testMatch', `**/test/servers/fixtures/${suites}.ts`], {
    cwd: root,
    // Its own servers, wherever those of this run are.
    env: {
      ...process.env,
      TEST_REDIS_URL: '',
      TEST_POSTGRES_URL: '',
      TMPDIR: folder,
      WATCHED_REPORT: join(folder, 'report'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [run.stdout, run.stderr]) {
    stream?.on('data', (data) => {
      output += data
    })
  }
}

async function reportOf(suite: string): Promise<Report> {
  const file = join(folder, `report.${suite}`)
  await until(`the suite "${suite}" has its servers:\n${output}`, () => existsSync(file))
  await until('it is written', () => readFileSync(file, 'utf8').endsWith('}'))
  return JSON.parse(readFileSync(file, 'utf8')) as Report
}

/** Folders of servers that were started by the run. */
function leftovers(): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('sentinel-'))
}

function listens(url: string): Promise<boolean> {
  const socket = createConnection({ host: '127.0.0.1', port: Number(new URL(url).port) })
  return once(socket, 'connect')
    .then(
      () => true,
      () => false,
    )
    .finally(() => socket.destroy())
}

async function listening(urls: readonly string[]): Promise<string[]> {
  const states = await Promise.all(urls.map(listens))
  return urls.filter((_, index) => states[index])
}

test.each(['SIGINT', 'SIGKILL'] as const)('a run ended by %s leaves nothing', async (signal) => {
  start('waiting', { WATCHED_SUITE: 'waits' })
  const { urls } = await reportOf('waiting')
  expect(await listening(urls)).toEqual(urls)
  expect(leftovers()).toHaveLength(2)
  const ended = once(run, 'exit')
  run.kill(signal)
  await ended
  await until('its servers are gone', async () => (await listening(urls)).length === 0)
  await until('their folders are gone', () => leftovers().length === 0)
})

test('a run ended while Postgres is being set up leaves nothing', async () => {
  start('waiting', { WATCHED_SUITE: 'waits' })
  await until(
    'the set-up is at work',
    () => leftovers().some((name) => existsSync(join(folder, name, 'data', 'base'))),
    30_000,
  )
  const ended = once(run, 'exit')
  run.kill('SIGKILL')
  await ended
  // initdb once ignored the signal until the guardian gave up waiting, after more than four seconds.
  await until('the folders are gone', () => leftovers().length === 0)
})

test('a run stops the servers it shared, also those that a killed worker asked for', async () => {
  start('{waiting,dying}', {})
  const ended = once(run, 'exit')
  const [waiting, dying] = [await reportOf('waiting'), await reportOf('dying')]
  const [code] = await ended
  expect(code).toBe(1)
  expect(output).toMatch(/1 failed, 1 passed|1 failed, 2 total/)
  expect(waiting.pid).not.toBe(dying.pid)
  expect(waiting.urls).toEqual(dying.urls)
  expect(await listening(waiting.urls)).toEqual([])
  expect(leftovers()).toEqual([])
})
