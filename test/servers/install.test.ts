import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Machine, needPostgres, needPrometheus, needRedis } from './install.js'

/** The folder on the PATH of a machine that has hardly any programs. */
let programs: string
const complaints = console.error

beforeEach(() => {
  programs = mkdtempSync(join(tmpdir(), 'bare-machine-'))
  for (const name of ['chmod', 'rm', 'cp', 'echo']) symlinkSync(`/bin/${name}`, join(programs, name))
  // The messages to the developer are no failure of this run.
  console.error = () => undefined
})

afterEach(() => {
  console.error = complaints
  rmSync(programs, { recursive: true })
})

function program(name: string, script: string): void {
  writeFileSync(join(programs, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(programs, name), 0o755)
}

const machine = (root: boolean): Machine => ({ path: programs, root })
const calls = (): string[] => readFileSync(join(programs, 'calls'), 'utf8').trim().split('\n')

/** An apt-get that records its calls, and runs the given script on `install`. */
function aptGet(installs: string): void {
  program(
    'apt-get',
    `echo "$DEBIAN_FRONTEND $*" >>"${programs}/calls"\n[ "$2" = update ] || { ${installs}\n}`,
  )
}

test('an existing program is used, and nothing is installed', async () => {
  program('redis-server', '')
  aptGet('exit 1')
  expect(await needRedis(machine(true))).toBe(join(programs, 'redis-server'))
  expect(() => calls()).toThrow('ENOENT')
})

test('root installs what is missing, after an update and without questions', async () => {
  aptGet(`cp "$0" "${programs}/redis-server"`)
  expect(await needRedis(machine(true))).toBe(join(programs, 'redis-server'))
  expect(calls()).toEqual([
    'noninteractive -q update',
    'noninteractive -qy --no-install-recommends -o DPkg::Lock::Timeout=300 install redis-server',
  ])
})

test('two concurrent requests install it once', async () => {
  aptGet(`cp "$0" "${programs}/redis-server"`)
  await Promise.all([needRedis(machine(true)), needRedis(machine(true))])
  expect(calls()).toHaveLength(2)
})

test('Postgres is found beside the first postgres on the path', async () => {
  aptGet(`cp "$0" "${programs}/postgres"; cp "$0" "${programs}/initdb"`)
  expect(await needPostgres(machine(true))).toBe(programs)
})

test('Prometheus comes with promtool, and its error names no TEST_ variable', async () => {
  aptGet(`cp "$0" "${programs}/prometheus"; cp "$0" "${programs}/promtool"`)
  expect(await needPrometheus(machine(true))).toEqual({
    prometheus: join(programs, 'prometheus'),
    promtool: join(programs, 'promtool'),
  })
  rmSync(join(programs, 'promtool'))
  aptGet('exit 1')
  await expect(needPrometheus(machine(true))).rejects.toThrow(/install the package "prometheus"$/)
})

test('other users install it through sudo without a password', async () => {
  program('sudo', `[ "$1" = -n ] || exit 1\nshift\nexec "$@"`)
  aptGet(`cp "$0" "${programs}/redis-server"`)
  expect(await needRedis(machine(false))).toBe(join(programs, 'redis-server'))
})

test.each([
  ['there is no apt-get', true, {}],
  ['only root may install it', false, { 'apt-get': 'exit 0' }],
  [
    'a password is required',
    false,
    { 'apt-get': 'exit 0', sudo: 'echo "sudo: a password is required" >&2; exit 1' },
  ],
  [
    'E: Unable to locate package redis-server',
    true,
    { 'apt-get': 'echo "E: Unable to locate package $6" >&2; exit 100' },
  ],
  ['although apt-get installed it', true, { 'apt-get': 'exit 0' }],
])('when it cannot be installed, one line says why and what to do: %s', async (why, root, have) => {
  for (const [name, script] of Object.entries(have)) program(name, script)
  const line = await needRedis(machine(root)).then(
    () => 'found',
    (error: Error) => error.message,
  )
  expect(line).toContain(why)
  expect(line).toMatch(
    /^redis-server is missing.*: install the package "redis-server", or set TEST_REDIS_URL$/,
  )
})
