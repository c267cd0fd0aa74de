import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const taskset = (...args: readonly string[]): string => execFileSync('taskset', args, { encoding: 'utf8' })

/** A process and those that it has started. */
function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return [pid, ...(children === '' ? [] : children.split(/\s+/).flatMap((child) => family(Number(child))))]
}

/**
 * Gives this process one core and a server another, as on two machines. Otherwise the scheduler decides: it keeps a client and a
 * server that answers at once on one core, but separates them when the server takes longer, and then each answer takes a wake-up
 * more. Linux only; elsewhere nothing changes, and it says so.
 */
export function onCoresOfTheirOwn(server: number): void {
  try {
    if (availableParallelism() < 2) throw new Error('there is one core')
    const cores = /: ([\d,-]+)/.exec(taskset('-cp', `${process.pid}`))?.[1] ?? ''
    const [first, ...others] = cores.split(',').flatMap((range) => {
      const [from = 0, to = from] = range.split('-').map(Number)
      return Array.from({ length: to - from + 1 }, (_, nth) => from + nth)
    })
    for (const pid of family(server)) taskset('-acp', `${others[0]}`, `${pid}`)
    taskset('-acp', `${first}`, `${process.pid}`)
  } catch (error) {
    console.log(`client and server may share a core: ${error instanceof Error ? error.message : error}`)
  }
}
