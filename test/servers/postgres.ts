import { chownSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guard } from './guardian.js'
import { needPostgres, openToAll } from './install.js'
import { freePort } from './ports.js'
import { type Identity, ServerProcess } from './server-process.js'

export interface PostgresOptions {
  /** Settings of the server, e.g. `{ max_connections: 20, log_statement: 'all' }`. They override ours. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** The password of the user `postgres`; it is then part of `url`. Without it, every client on loopback is admitted. */
  readonly password?: string
}

/** A Postgres for a test, on loopback. The user and the database are both called `postgres`. */
export interface PostgresServer {
  /** With the password, if there is one. */
  readonly url: string
  readonly port: number
  readonly dir: string
  /** The id of the current postmaster process. */
  readonly pid: number
  readonly running: boolean
  /** Sends SIGKILL to the postmaster and all backends, as in a power failure; waits for the end. */
  kill(): Promise<void>
  /** Sends SIGSTOP to all of them: the kernel still accepts connections, but nothing is answered. */
  suspend(): void
  resume(): void
  /**
   * Stops it if it runs, and starts it on the same port and data. `fast` (the default) rolls back open transactions and writes
   * everything to disk; `immediate` is a deliberate crash: the next start recovers.
   */
  restart(how?: 'fast' | 'immediate'): Promise<void>
  /** Stops it for good and removes its folder. */
  stop(): Promise<void>
}

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** The data need not survive a power failure of the machine; everything else is the default. */
const SETTINGS = {
  fsync: 'off',
  // Shared memory in files of its own folder leaves nothing behind after a kill.
  dynamic_shared_memory_type: 'mmap',
  max_connections: 200,
}

/** Starts a temporary Postgres; it answers when the promise resolves. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const programs = await needPostgres()
  const identity = unprivileged()
  const dir = mkdtempSync(join(folderOpenTo(identity), 'sentinel-postgres-'))
  if (identity !== undefined) chownSync(dir, identity.uid, identity.gid)
  const guardian = guard(dir)
  const data = join(dir, 'data')
  const log = join(dir, 'postgres.log')
  // The developer's PG* variables are about another server.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')))
  const launch = { log, cwd: dir, env, identity, guardian }
  let login = 'postgres'
  let port = await freePort()

  const initialise = async (): Promise<void> => {
    const args = ['-D', data, '-U', 'postgres', '-E', 'UTF8', '--no-locale', '--no-sync', '--no-instructions']
    if (options.password === undefined) args.push('-A', 'trust')
    else {
      const file = join(dir, 'password')
      writeFileSync(file, options.password, { mode: 0o600 })
      if (identity !== undefined) chownSync(file, identity.uid, identity.gid)
      args.push('-A', 'scram-sha-256', `--pwfile=${file}`)
      login += `:${encodeURIComponent(options.password)}`
    }
    // initdb ignores all other signals while its Postgres is busy; that one ends once its input ends.
    const initdb = await ServerProcess.start({
      ...launch,
      program: join(programs, 'initdb'),
      args,
      ending: 'KILL',
    })
    await initdb.gone()
    if (!existsSync(join(data, 'PG_VERSION'))) throw new Error(`initdb failed:\n${initdb.lastWords()}`)
  }
  const start = async (): Promise<ServerProcess> => {
    const settings = Object.entries({ ...SETTINGS, ...options.settings })
    const args = ['-D', data, '-h', '127.0.0.1', '-p', `${port}`, '-k', dir]
    for (const [name, value] of settings) args.push('-c', `${name}=${value}`)
    const postmaster = await ServerProcess.start({
      ...launch,
      program: join(programs, 'postgres'),
      args,
      ending: 'QUIT',
    })
    await postmaster.ready(() => saysReady(data, postmaster.pid))
    return postmaster
  }

  let server: ServerProcess
  try {
    await initialise()
    for (let tries = 0; ; tries++) {
      try {
        server = await start()
        break
      } catch (error) {
        // Another process took the free port first.
        if (!/Address already in use/.test(String(error)) || tries === 5) throw error
        port = await freePort()
      }
    }
  } catch (error) {
    await guardian.end()
    throw error
  }
  return {
    url: `postgres://${login}@127.0.0.1:${port}/postgres`,
    port,
    dir,
    get pid() {
      return server.pid
    },
    get running() {
      return server.running
    },
    kill: () => server.kill(),
    suspend: () => server.suspend(),
    resume: () => server.resume(),
    restart: async (how = 'fast') => {
      if (server.running) await server.end(SIGNALS[how])
      server = await start()
    },
    stop: async () => {
      await guardian.end()
      await server.gone()
    },
  }
}

/** In line 8 of its lock file the postmaster writes that it accepts connections; a file left behind names another process. */
function saysReady(data: string, pid: number): boolean {
  const file = join(data, 'postmaster.pid')
  if (!existsSync(file)) return false
  const lines = readFileSync(file, 'utf8').split('\n')
  // A standby takes connections, too.
  return Number(lines[0]) === pid && /^(ready|standby)\b/.test(lines[7] ?? '')
}

/** Postgres refuses to run as root: uses its own user, if there is one, else nobody. */
function unprivileged(): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined
  const known = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = known.find((line) => line.startsWith(`${name}:`))?.split(':') ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('postgres will not run as root, and there is no user "postgres" or "nobody": add one')
}

/** A folder for temporary files that the other user, if there is one, can reach. */
function folderOpenTo(identity: Identity | undefined): string {
  const folders = [tmpdir(), '/tmp', '/var/tmp']
  const found =
    identity === undefined ? tmpdir() : folders.find((each) => existsSync(each) && openToAll(each))
  if (found === undefined)
    throw new Error(`postgres may enter none of ${folders.join(', ')}: open one to all`)
  return found
}
