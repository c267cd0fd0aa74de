import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { ended, type Guardian } from './guardian.js'

/** Who a process runs as, where we are root and it may not be. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

export interface Launch {
  readonly program: string
  readonly args: readonly string[]
  /** Gets what it prints. */
  readonly log: string
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
  readonly identity?: Identity | undefined
  readonly guardian: Guardian
}

/** A running server: one process and those it forked. */
export class ServerProcess {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #gone: () => Promise<void>
  readonly #guardian: Guardian
  readonly #log: string

  private constructor(child: ChildProcess, { guardian, log }: Launch) {
    this.#child = child
    this.#gone = ended(child)
    this.#guardian = guardian
    this.#log = log
    this.pid = child.pid as number
  }

  static async start(launch: Launch): Promise<ServerProcess> {
    const log = openSync(launch.log, 'a')
    try {
      const child = spawn(launch.program, launch.args, {
        // A Ctrl-C on the terminal is for the tests: the guardian ends the server once they are gone.
        detached: true,
        cwd: launch.cwd,
        env: launch.env ?? process.env,
        stdio: ['ignore', log, log],
        ...launch.identity,
      })
      launch.guardian.watch(child.pid)
      await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
      return new ServerProcess(child, launch)
    } finally {
      closeSync(log)
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Waits until it answers, as `ready` says; fails with its last words when it ends instead. */
  async ready(ready: () => boolean | Promise<boolean>, within = 30_000): Promise<void> {
    const deadline = performance.now() + within
    while (!(await ready())) {
      if (!this.running)
        throw new Error(`${this.#child.spawnfile} ended while starting:\n${this.lastWords()}`)
      if (performance.now() > deadline) {
        throw new Error(
          `${this.#child.spawnfile} was not ready within ${within / 1000} s:\n${this.lastWords()}`,
        )
      }
      await sleep(10)
    }
  }

  /** The end of its log. */
  lastWords(): string {
    return readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-12).join('\n')
  }

  /** Sends a signal to the process alone, and waits until it and what it forked are gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const forked = this.#forked()
    if (this.running) this.#child.kill(signal)
    await this.gone(forked)
  }

  /** Kills the process and what it forked, as a power cut would. */
  async kill(): Promise<void> {
    // Stopped first, it forks no more while we look.
    this.#signal(this.pid, 'SIGSTOP')
    const forked = this.#forked()
    this.#signal(this.pid, 'SIGKILL')
    for (const pid of forked) this.#signal(pid, 'SIGKILL')
    await this.gone(forked)
  }

  suspend(): void {
    this.#signal(this.pid, 'SIGSTOP')
    for (const pid of this.#forked()) this.#signal(pid, 'SIGSTOP')
  }

  resume(): void {
    for (const pid of this.#forked()) this.#signal(pid, 'SIGCONT')
    this.#signal(this.pid, 'SIGCONT')
  }

  /** Waits for the end of the process and of `forked`. */
  async gone(forked: readonly number[] = []): Promise<void> {
    await this.#gone()
    for (const pid of forked) while (isAlive(pid)) await sleep(5)
    this.#guardian.watch(undefined)
  }

  #forked(): number[] {
    return this.running ? childrenOf(this.pid) : []
  }

  #signal(pid: number, signal: NodeJS.Signals): void {
    if (!this.running) return
    try {
      process.kill(pid, signal)
    } catch (error) {
      // It ended by itself in between, which is as good.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/** What a process forked. Backends of Postgres lead process groups of their own, so the group would not tell. */
function childrenOf(parent: number): number[] {
  if (process.platform !== 'linux') {
    const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
    const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number))
    return pairs.flatMap(([pid, ppid]) => (ppid === parent && pid !== undefined ? [pid] : []))
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => Number(statusOf(pid, 'PPid')) === parent)
}

/** A process that ended but was not waited for by its parent is gone to us. */
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
