import { type ChildProcess, fork } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformFile } from '@swc/core'
import type { Jobs } from './program.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PROGRAM = 'test/storage/worker/program'
const OURS = ['src/core', 'src/storage', 'test/storage/worker']

/** A process of its own that shares a storage with others. */
export class Worker {
  private readonly waiting = new Map<
    number,
    { resolve: (answer: never) => void; reject: (error: Error) => void }
  >()
  private jobs = 0
  private readonly ended: Promise<void>

  constructor(private readonly child: ChildProcess) {
    child.on('message', ({ id, answer, error }: { id: number; answer: never; error?: string }) => {
      const waiting = this.waiting.get(id)
      this.waiting.delete(id)
      if (error === undefined) waiting?.resolve(answer)
      else waiting?.reject(new Error(error))
    })
    this.ended = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        for (const { reject } of this.waiting.values()) reject(new Error(`a worker ended: ${code ?? signal}`))
        this.waiting.clear()
        resolve()
      })
    })
  }

  do<Job extends keyof Jobs>(job: Job, ask: Jobs[Job]['ask']): Promise<Jobs[Job]['answer']> {
    const id = ++this.jobs
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.child.send({ id, job, ask })
    })
  }

  /** Kills the process, as in a power failure. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }

  async stop(): Promise<void> {
    if (this.child.connected) this.child.disconnect()
    await this.ended
  }
}

/** The programs of workers: our sources, compiled to JavaScript in a folder of their own. */
export class Workshop {
  private readonly all: Worker[] = []

  private constructor(private readonly folder: string) {}

  static async open(rooms = OURS): Promise<Workshop> {
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-workers-'))
    await Promise.all(rooms.map((room) => compile(room, folder)))
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction')
    return new Workshop(folder)
  }

  start(count: number): Worker[] {
    const workers = Array.from({ length: count }, () => {
      const child = fork(join(this.folder, `${PROGRAM}.js`), [], { execArgv: [], serialization: 'advanced' })
      return new Worker(child)
    })
    this.all.push(...workers)
    return workers
  }

  /** Starts another program without this protocol. The caller has to end it. */
  fork(program: string, args: readonly string[]): ChildProcess {
    return fork(join(this.folder, `${program}.js`), args, { execArgv: [] })
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((worker) => worker.stop()))
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function compile(room: string, folder: string): Promise<void> {
  const names = await readdir(join(ROOT, room), { recursive: true })
  await Promise.all(
    names.map(async (name) => {
      const from = join(ROOT, room, name)
      const to = join(folder, room, name)
      if (name.endsWith('.json') || name.endsWith('.sql') || name.endsWith('.lua')) {
        await mkdir(dirname(to), { recursive: true })
        await cp(from, to)
      }
      if (!name.endsWith('.ts')) return
      const { code } = await transformFile(from, {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
        sourceMaps: false,
      })
      await mkdir(dirname(to), { recursive: true })
      await writeFile(to.replace(/\.ts$/, '.js'), code)
    }),
  )
}
