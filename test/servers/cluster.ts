import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from './redis.js'
import { until } from './until.js'

export interface ClusterOptions {
  /** Replicas of each master: a killed master is then replaced. None by default. */
  readonly replicas?: 0 | 1
  /** After so many milliseconds without an answer a node counts as failing. Default: 1000 with replicas, else 5000. */
  readonly nodeTimeout?: number
  /** Password of the default user on every node; it is then part of the URLs. */
  readonly password?: string
  /** More arguments of each `redis-server`. */
  readonly args?: readonly string[]
}

/** A node: a Redis with all its controls, and its id in the cluster. */
export interface ClusterNode {
  readonly server: RedisServer
  readonly id: string
}

/** A Redis Cluster of three masters, on loopback. */
export interface RedisCluster {
  /** The URL of the first node; clients find the others through it. */
  readonly url: string
  readonly urls: readonly string[]
  /** The three masters first, then their replicas in the same order; a failover does not change it. */
  readonly nodes: readonly ClusterNode[]
  /** The node that serves a key now, according to the running nodes. */
  ownerOf(key: string): Promise<ClusterNode>
  /** Waits until every running node reports that all slots are served. */
  whole(): Promise<void>
  /** Stops all nodes for good and removes their folders. */
  stop(): Promise<void>
}

const MASTERS = 3
const SLOTS = 16_384

/** Starts a temporary Redis Cluster; when the promise resolves, all slots are served and the replicas are in sync. */
export async function startCluster(options: ClusterOptions = {}): Promise<RedisCluster> {
  const { replicas = 0, nodeTimeout = replicas === 0 ? 5000 : 1000, args = [], password } = options
  const config = [
    'cluster-enabled yes',
    'cluster-config-file nodes.conf',
    `cluster-node-timeout ${nodeTimeout}`,
    // A replica that was in sync once may take over, however long ago it last heard from its master.
    'cluster-replica-validity-factor 0',
  ]
  const outcomes = await Promise.allSettled(
    Array.from({ length: MASTERS * (1 + replicas) }, () =>
      startRedis({ args, config, ...(password !== undefined && { password }) }),
    ),
  )
  const servers = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()))
  }
  try {
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    const nodes = await join(servers)
    const running = (): ClusterNode[] => nodes.filter(({ server }) => server.running)
    const whole = (): Promise<void> =>
      until('every node of the cluster says that all slots are served', async () => {
        const answers = await Promise.all(running().map(({ server }) => info(server)))
        return answers.every(({ cluster_state, cluster_slots_ok }) => {
          return cluster_state === 'ok' && Number(cluster_slots_ok) === SLOTS
        })
      })
    await whole()
    return {
      url: (servers[0] as RedisServer).url,
      urls: servers.map(({ url }) => url),
      nodes,
      ownerOf: (key) => ownerOf(key, running()),
      whole,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Makes a cluster of independent servers: assigns slots to the masters, introduces the nodes, then sets the replicas. */
async function join(servers: readonly RedisServer[]): Promise<ClusterNode[]> {
  const first = servers[0] as RedisServer
  const ids = await Promise.all(servers.map((server) => ask<string>(server, 'CLUSTER', 'MYID')))
  for (const [index, server] of servers.entries()) {
    // Distinct epochs from the start: otherwise the nodes would first have to resolve the conflict.
    await ask(server, 'CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`)
    if (index < MASTERS) await ask(server, 'CLUSTER', 'ADDSLOTS', ...slotsOf(index))
    if (index > 0) await ask(server, 'CLUSTER', 'MEET', '127.0.0.1', `${first.port}`)
  }
  await until('the nodes of the cluster know each other', async () => {
    const answers = await Promise.all(servers.map(info))
    return answers.every(({ cluster_known_nodes }) => Number(cluster_known_nodes) === servers.length)
  })
  const copies = servers.slice(MASTERS)
  await Promise.all(
    copies.map((server, index) =>
      // During the handshake a node is known by a temporary name.
      until('a replica knows its master', async () => {
        const nodes = await ask<string>(server, 'CLUSTER', 'NODES')
        return nodes.includes(ids[index] as string)
      }).then(() => ask(server, 'CLUSTER', 'REPLICATE', ids[index] as string)),
    ),
  )
  await until('the replicas of the cluster are in step', async () => {
    const answers = await Promise.all(copies.map((server) => ask<string>(server, 'INFO', 'replication')))
    return answers.every((answer) => /^master_link_status:up\r$/m.test(answer))
  })
  await until('every node knows who copies whom', async () => {
    const views = await Promise.all(servers.map((server) => ask<string>(server, 'CLUSTER', 'NODES')))
    return views.every((view) => {
      const lines = view.trim().split('\n')
      const masters = lines.filter((line) => /\bmaster\b/.test(line))
      return masters.length === MASTERS && !/handshake|fail|noaddr/.test(view)
    })
  })
  return servers.map((server, index) => ({ server, id: ids[index] as string }))
}

function slotsOf(master: number): string[] {
  const from = Math.ceil((SLOTS * master) / MASTERS)
  const to = Math.ceil((SLOTS * (master + 1)) / MASTERS)
  return Array.from({ length: to - from }, (_, index) => `${from + index}`)
}

async function ownerOf(key: string, running: readonly ClusterNode[]): Promise<ClusterNode> {
  const witness = running[0]
  if (witness === undefined) throw new Error('no node of the cluster runs')
  const slot = await ask<number>(witness.server, 'CLUSTER', 'KEYSLOT', key)
  const ranges = await ask<[number, number, [string, number, string]][]>(witness.server, 'CLUSTER', 'SLOTS')
  const id = ranges.find(([from, to]) => from <= slot && slot <= to)?.[2][2]
  const owner = running.find((node) => node.id === id)
  if (owner === undefined) throw new Error(`no running node serves "${key}"`)
  return owner
}

async function info(server: RedisServer): Promise<Partial<Record<string, string>>> {
  const lines = (await ask<string>(server, 'CLUSTER', 'INFO')).trim().split('\r\n')
  return Object.fromEntries(lines.map((line) => line.split(':')))
}

/** Sends one command over a connection of its own, without retries. */
async function ask<Answer>(server: RedisServer, command: string, ...args: string[]): Promise<Answer> {
  const redis = new Redis(server.url, { lazyConnect: true, retryStrategy: () => null, commandTimeout: 5000 })
  try {
    await redis.connect()
    return (await redis.call(command, ...args)) as Answer
  } finally {
    redis.disconnect()
  }
}
