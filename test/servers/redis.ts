import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guard } from './guardian.js'
import { needRedis } from './install.js'
import { freePort } from './ports.js'
import { ServerProcess } from './server-process.js'

export interface RedisOptions {
  /** More arguments of `redis-server`, e.g. `['--maxmemory', '8mb', '--maxmemory-policy', 'noeviction']`. */
  readonly args?: readonly string[]
  /** Keeps an append-only file, so that the data survives a restart. Off by default. */
  readonly appendOnly?: boolean
  /** The password of the default user; it is then part of `url`. */
  readonly password?: string
  /** More users and their rules, e.g. `{ app: '+@all -@dangerous ~guard:* &* >secret' }`. */
  readonly users?: Readonly<Record<string, string>>
  /** The port of the master on loopback that this server replicates; both have the same password. It is in sync once it is ready. */
  readonly replicaOf?: number
  /** More lines of its configuration, e.g. `['cluster-enabled yes']`. */
  readonly config?: readonly string[]
  /** A fixed port; a free one by default. */
  readonly port?: number
  /** A folder that is kept after the server has stopped; by default a folder of its own that `stop()` removes. */
  readonly dir?: string
}

/** A Redis for a test, on loopback. */
export interface RedisServer {
  /** With the password, if there is one. */
  readonly url: string
  readonly port: number
  readonly dir: string
  /** The id of the current process. */
  readonly pid: number
  readonly running: boolean
  /** Sends SIGKILL, as in a power failure; waits for the end. */
  kill(): Promise<void>
  /** Sends SIGSTOP: the kernel still accepts connections, but nothing is answered. */
  suspend(): void
  resume(): void
  /** Shuts it down if it runs, and starts it on the same port and folder. */
  restart(): Promise<void>
  /** Stops it for good and removes its folder. */
  stop(): Promise<void>
}

/** Starts a temporary `redis-server`; it answers when the promise resolves. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const program = await needRedis()
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'sentinel-redis-'))
  mkdirSync(dir, { recursive: true })
  const guardian = guard(options.dir === undefined ? dir : undefined)
  const start = async (port: number): Promise<ServerProcess> => {
    const config = join(dir, 'redis.conf')
    writeFileSync(config, configOf(options, port, dir), { mode: 0o600 })
    const log = join(dir, 'redis.log')
    const args = [config, ...(options.args ?? [])]
    const server = await ServerProcess.start({ program, args, log, cwd: dir, guardian, ending: 'KILL' })
    await server.ready(async () => isReady(await tell(port, 'PING')))
    if (options.replicaOf !== undefined) {
      await server.ready(async () => isInStep(await tell(port, 'INFO replication', options.password)))
    }
    return server
  }
  let port = options.port ?? (await freePort())
  let server: ServerProcess
  for (let tries = 0; ; tries++) {
    try {
      server = await start(port)
      break
    } catch (error) {
      // Another process took the free port first.
      const taken = options.port === undefined && /Address already in use/.test(String(error))
      if (!taken || tries === 5) {
        await guardian.end()
        throw error
      }
      port = await freePort()
    }
  }
  const login = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`
  return {
    url: `redis://${login}127.0.0.1:${port}`,
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
    restart: async () => {
      if (server.running) await server.end('SIGTERM')
      server = await start(port)
    },
    stop: async () => {
      await guardian.end()
      await server.gone()
    },
  }
}

function configOf(options: RedisOptions, port: number, dir: string): string {
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir ${quoted(dir)}`,
    'daemonize no',
    'save ""',
    // A replica should be in sync at once, without waiting five seconds for others.
    'repl-diskless-sync-delay 0',
    `appendonly ${options.appendOnly === true ? 'yes' : 'no'}`,
  ]
  if (options.password !== undefined) lines.push(`requirepass ${quoted(options.password)}`)
  for (const [name, rules] of Object.entries(options.users ?? {})) lines.push(`user ${name} on ${rules}`)
  if (options.replicaOf !== undefined) {
    lines.push(`replicaof 127.0.0.1 ${options.replicaOf}`)
    if (options.password !== undefined) lines.push(`masterauth ${quoted(options.password)}`)
  }
  lines.push(...(options.config ?? []))
  return `${lines.join('\n')}\n`
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`
}

/** Any answer means ready, also that a password is required, except that it is still loading. */
function isReady(answer: string | undefined): boolean {
  return answer !== undefined && !answer.startsWith('-LOADING')
}

function isInStep(answer: string | undefined): boolean {
  return answer !== undefined && /^master_link_status:up\r$/m.test(answer)
}

/** The raw answer to one command; undefined while the server does not answer. */
function tell(port: number, command: string, password?: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port, timeout: 1000 })
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('connect', () => {
      const login = password === undefined ? '' : `AUTH ${quoted(password)}\r\n`
      socket.write(`${login}${command}\r\nQUIT\r\n`)
    })
    socket.on('data', (data) => {
      answer += data
    })
    socket.on('end', () => resolve(answer === '' ? undefined : answer))
    // Not ready yet, for whatever reason: the caller asks again, and knows when to give up.
    socket.on('timeout', () => socket.destroy())
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
  })
}
