/*
 * npm run bench:storage [-- redis | postgres]: compares storages on real servers to what one would write without them. All
 * contenders run in turn, round after round, and their medians are compared. Exits with 1 if a target is missed.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { startPostgres } from '../test/servers/postgres.js'
import { startRedis } from '../test/servers/redis.js'
import { type Finding, part, run } from './compare.js'
import { benchPostgres } from './storage/postgres.js'
import { benchRedis } from './storage/redis.js'

const ROUNDS = { rounds: part(7, 3), ms: part(1000, 50) }
const only = process.argv[2]

const require = createRequire(import.meta.url)
const version = (name: string): string => {
  const manifest = JSON.parse(readFileSync(require.resolve(`${name}/package.json`), 'utf8')) as {
    version: string
  }
  return `${name} ${manifest.version}`
}
console.log(`Chain: block, auth, once, a bucket for the user, debounce. ${process.version}`)
console.log(`Rivals: ${['ioredis', 'pg', 'rate-limiter-flexible'].map(version).join(', ')}`)

const findings: Finding[] = []
if (only === undefined || only === 'redis') {
  const server = await startRedis()
  try {
    findings.push(...(await benchRedis(server.url, ROUNDS)))
  } finally {
    await server.stop()
  }
}
if (only === undefined || only === 'postgres') {
  const server = await startPostgres()
  try {
    findings.push(...(await benchPostgres(server, ROUNDS)))
  } finally {
    await server.stop()
  }
}
process.exitCode = run(findings) ? 1 : 0
