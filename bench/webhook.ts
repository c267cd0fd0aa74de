import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Finding, median, part, run } from './compare.js'
import type { Attack, Outcome } from './webhook/load.js'
import type { Contender } from './webhook/server.js'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? part(30))
/** Requests in a round of one contender. Rounds are short, so that compared rounds are close together in time. */
const REQUESTS = Number(process.env.BENCH_REQUESTS ?? part(5000, 200))
/** Requests before anything is measured, so that V8 has compiled the code. */
const WARM_UP = 10 * REQUESTS
const CONNECTIONS = 64
const FLOOD = 99
/** Turns off a V8 heuristic that varies between runs: see bench/whole-path.ts. */
const NODE_FLAGS = ['--no-allocation-site-pretenuring']
const QUIET: readonly Contender[] = ['http', 'parse', 'callback', 'ours', 'gateless']
const FLOODED: readonly Contender[] = ['callback', 'ours', 'gateless']

interface Measured {
  readonly perSecond: number
  /** Microseconds of processor time per request. */
  readonly cpu: number
}

function start(file: string, ...args: readonly string[]): ChildProcess {
  const path = fileURLToPath(new URL(`./webhook/${file}.js`, import.meta.url))
  return fork(path, [...args], { execArgv: NODE_FLAGS })
}

async function told<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T]
  return message
}

async function ask<T>(child: ChildProcess, message: object): Promise<T> {
  const answer = told<T>(child)
  child.send(message)
  return answer
}

const load = start('load')
await told(load)

async function measure(
  server: ChildProcess,
  port: number,
  flood: number,
  requests: number,
): Promise<Measured> {
  const before = await ask<{ cpu: number }>(server, {})
  const attack: Attack = { port, connections: CONNECTIONS, requests, flood }
  const outcome = await ask<Outcome>(load, attack)
  const after = await ask<{ cpu: number }>(server, {})
  if (outcome.failures > 0) throw new Error(`${outcome.failures} answers were not 200`)
  return {
    perSecond: (outcome.requests / outcome.ms) * 1000,
    cpu: (after.cpu - before.cpu) / outcome.requests,
  }
}

/** Runs all contenders in turn, in another order each round, so that noise affects all alike. */
async function compete(names: readonly Contender[], flood: number): Promise<Map<Contender, Measured[]>> {
  const servers = new Map<Contender, { child: ChildProcess; port: number }>()
  for (const name of names) {
    const child = start('server', name)
    const { port } = await told<{ port: number }>(child)
    servers.set(name, { child, port })
    await measure(child, port, flood, WARM_UP)
  }
  const measured = new Map<Contender, Measured[]>(names.map((name) => [name, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length] as Contender
      const { child, port } = servers.get(name) as { child: ChildProcess; port: number }
      measured.get(name)?.push(await measure(child, port, flood, REQUESTS))
    }
  }
  for (const { child } of servers.values()) child.disconnect()
  return measured
}

function tell(title: string, measured: Map<Contender, Measured[]>): void {
  console.log(`\n${title}`)
  for (const [name, rounds] of measured) {
    const perSecond = median(rounds.map((round) => round.perSecond))
    const cpu = median(rounds.map((round) => round.cpu))
    console.log(`  ${name}: ${perSecond.toFixed(0)} requests/s, ${cpu.toFixed(2)} µs of CPU each`)
  }
}

/** Returns the median of the ratios of the rounds. */
function ratio(
  measured: Map<Contender, Measured[]>,
  one: Contender,
  other: Contender,
  what: keyof Measured,
): number {
  const others = measured.get(other) as Measured[]
  return median(
    (measured.get(one) as Measured[]).map((round, i) => round[what] / (others[i] as Measured)[what]),
  )
}

console.log(
  `${CONNECTIONS} connections, ${ROUNDS} rounds of ${REQUESTS} requests, server and load a process each`,
)
const quiet = await compete(QUIET, 0)
tell('everybody within their limits', quiet)
const flooded = await compete(FLOODED, FLOOD)
tell(`${FLOOD} % from those who are over theirs`, flooded)
load.disconnect()

const findings: Finding[] = [
  {
    what: 'guard.webhook with all guards / webhookCallback without any, requests per second',
    measured: ratio(quiet, 'ours', 'callback', 'perSecond'),
    unit: 'x',
    least: 2,
  },
  {
    what: `the same under a flood of ${FLOOD} %`,
    measured: ratio(flooded, 'ours', 'callback', 'perSecond'),
    unit: 'x',
    least: 3,
  },
  {
    what: 'guard.webhook with all guards / bare parse + handleUpdate, CPU a request',
    measured: ratio(quiet, 'ours', 'parse', 'cpu'),
    unit: 'x',
    most: 1.05,
  },
  {
    what: 'webhookCallback / guard.webhook with all guards, CPU a request',
    measured: ratio(quiet, 'callback', 'ours', 'cpu'),
    unit: 'x',
  },
  {
    what: 'the same under a flood',
    measured: ratio(flooded, 'callback', 'ours', 'cpu'),
    unit: 'x',
  },
  {
    what: 'what the gate saves under a flood, CPU a request',
    measured: ratio(flooded, 'gateless', 'ours', 'cpu'),
    unit: 'x',
  },
]
process.exitCode = run(findings) ? 1 : 0
