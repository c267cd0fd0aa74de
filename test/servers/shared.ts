import { randomBytes } from 'node:crypto'
import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'
import { Supply, type Ware } from './supply.js'

// A server starts when the first suite asks for it, which takes up to a few seconds on a busy machine: give the hook that asks
// half a minute (`beforeAll(…, 30_000)`).

/** The port of jest's main process; `jest-broker.mjs` sets it. */
const BROKER = 'TEST_SERVERS_PORT'

/** The URL of the Redis that all suites of this run share; `TEST_REDIS_URL` if set. Only use keys under a {@link freshName}. */
export function sharedRedis(): Promise<string> {
  return given('TEST_REDIS_URL') ?? ask('redis')
}

/**
 * The URL of a node of the Redis Cluster that all suites of this run share (three masters, no replicas); `TEST_REDIS_CLUSTER_URL`
 * if set. Only use keys under a {@link freshName}.
 */
export function sharedCluster(): Promise<string> {
  return given('TEST_REDIS_CLUSTER_URL') ?? ask('cluster')
}

/** The URL of the Postgres that all suites of this run share; `TEST_POSTGRES_URL` if set. Only use a schema with a {@link freshName}. */
export function sharedPostgres(): Promise<string> {
  return given('TEST_POSTGRES_URL') ?? ask('postgres')
}

/** A unique name, valid as a key prefix, a schema and a channel: letters, digits and underscores, 20 at most. */
export function freshName(prefix = 't'): string {
  return `${prefix.slice(0, 7)}_${randomBytes(6).toString('hex')}`
}

function given(variable: string): Promise<string> | undefined {
  const url = process.env[variable]
  return url === undefined || url === '' ? undefined : Promise.resolve(url)
}

/** The servers of this process when it runs without jest; stopped by their guardians when the process ends. */
let own: Supply | undefined

async function ask(ware: Ware): Promise<string> {
  const port = process.env[BROKER]
  if (port === undefined) {
    own ??= new Supply()
    return own.urlOf(ware)
  }
  const socket = createConnection({ host: '127.0.0.1', port: Number(port) })
  socket.write(ware)
  const answer = JSON.parse(await text(socket)) as { url: string } | { error: string }
  if ('error' in answer) throw new Error(answer.error)
  return answer.url
}
