import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Ending, ended, type Guardian } from './guardian.js'

/** The user a process runs as, if we are root and it must not be. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

export interface Launch {
  readonly program: string
  readonly args: readonly string[]
  /** The file for its output. */
  readonly log: string
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
  readonly identity?: Identity | undefined
  readonly guardian: Guardian
  /** How the guardian ends it. */
  readonly ending: Ending
}

/** The longest time for a start or an end, in milliseconds, before it counts as failed. */
const MOST_WAIT = 30_000

/** A running server: one process and its children. */
export class ServerProcess {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #gone: () => Promise<void>
  readonly #log: string

  private constructor(child: ChildProcess, log: string) {
    this.#child = child
    this.#gone = ended(child)
    this.#log = log
    this.pid = child.pid as number
  }

  static async start(launch: Launch): Promise<ServerProcess> {
    const log = openSync(launch.log, 'a')
    try {
      const child = spawn(launch.program, launch.args, {
        // A Ctrl-C on the terminal is for the tests: the guardian ends the server once they have ended.
        detached: true,
        cwd: launch.cwd,
        env: launch.env ?? process.env,
        stdio: ['ignore', log, log],
        ...launch.identity,
      })
      if (child.pid !== undefined) launch.guardian.watch(child.pid, launch.ending)
      child.once('exit', () => launch.guardian.forget())
      await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
      return new ServerProcess(child, launch.log)
    } finally {
      closeSync(log)
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Waits until `ready` returns true; fails with the end of its log if the process ends instead. */
  async ready(ready: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + MOST_WAIT
    while (!(await ready())) {
      if (!this.running) throw new Error(`${this.#name} ended while starting:\n${this.lastWords()}`)
      if (performance.now() > deadline) throw new Error(`${this.#name} is not ready:\n${this.lastWords()}`)
      await sleep(10)
    }
  }

  /** The end of its log. */
  lastWords(): string {
    return readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-12).join('\n')
  }

  /** Sends a signal to the main process, and waits until it and its children are gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    // A stopped process would not handle it.
    this.resume()
    const forked = this.#forked()
    this.#signal(this.pid, signal)
    await this.gone(forked)
  }

  /** Kills the process and its children, as in a power failure. */
  async kill(): Promise<void> {
    this.suspend()
    const forked = this.#forked()
    this.#signal(this.pid, 'SIGKILL')
    for (const pid of forked) this.#signal(pid, 'SIGKILL')
    await this.gone(forked)
  }

  /** Stops the process and its children; on Linux all have stopped when it returns. */
  suspend(): void {
    // Once the main process has stopped it forks no more: then all children are known.
    this.#signal(this.pid, 'SIGSTOP')
    this.#stands(this.pid)
    const forked = this.#forked()
    for (const pid of forked) this.#signal(pid, 'SIGSTOP')
    for (const pid of forked) this.#stands(pid)
  }

  resume(): void {
    for (const pid of this.#forked()) this.#signal(pid, 'SIGCONT')
    this.#signal(this.pid, 'SIGCONT')
  }

  /** Waits for the end of the process and of `forked`. */
  async gone(forked: readonly number[] = []): Promise<void> {
    const patience = new AbortController()
    const late = sleep(MOST_WAIT, true, { signal: patience.signal }).catch(() => false)
    const deadline = performance.now() + MOST_WAIT
    const overdue = await Promise.race([this.#gone().then(() => false), late])
    patience.abort()
    for (const pid of forked) {
      while (isAlive(pid) && performance.now() < deadline) await sleep(5)
    }
    if (overdue || forked.some(isAlive)) throw new Error(`${this.#name} does not end:\n${this.lastWords()}`)
  }

  get #name(): string {
    return this.#child.spawnfile
  }

  #forked(): number[] {
    return this.running ? childrenOf(this.pid) : []
  }

  #signal(pid: number, signal: NodeJS.Signals): void {
    if (!this.running) return
    try {
      process.kill(pid, signal)
    } catch (error) {
      // It ended by itself meanwhile, which is fine.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** Waits until a process has stopped. The wait is synchronous, because it is short and callers rely on it. */
  #stands(pid: number): void {
    if (process.platform !== 'linux' || !this.running) return
    const deadline = performance.now() + 1000
    while (/^[RSD]/.test(statusOf(pid, 'State') ?? '')) {
      if (performance.now() > deadline) throw new Error(`${this.#name} (${pid}) does not stop on SIGSTOP`)
    }
  }
}

/** The children of a process. Backends of Postgres lead process groups of their own, so the group would not find them. */
function childrenOf(parent: number): number[] {
  if (process.platform !== 'linux') {
    const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
    const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number))
    return pairs.flatMap(([pid, ppid]) => (ppid === parent && pid !== undefined ? [pid] : []))
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => Number(statusOf(pid, 'PPid')) === parent)
}

/** Whether a process runs; a zombie, which its parent has not waited for, does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
  return process.platform !== 'linux' || !/^[ZX]/.test(statusOf(pid, 'State') ?? 'X')
}

/** A line of /proc/<pid>/status; undefined once the process is gone. */
function statusOf(pid: number, field: string): string | undefined {
  try {
    return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
