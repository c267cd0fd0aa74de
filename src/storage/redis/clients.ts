import type { RedisOptions as ClientOptions, Cluster, Redis } from 'ioredis'
import { SentinelError } from '../../core/errors.js'
import { peer } from '../../core/peer.js'
import { followFailovers } from './failovers.js'
import { accessOf, checkOptions, checkUrl, copyOf, socketOf } from './urls.js'

/** Where a server, or some nodes of a cluster, can be reached. */
export type ServerAddress = string | readonly string[] | ClientOptions

/**
 * On connections of our own nothing is sent again or queued: a charge repeated after a lost connection may be made twice, and a
 * question that waits for the server to come back is answered too late.
 */
export const OURS = {
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 2000,
  // Otherwise a Sentinel that accepts connections and does not answer keeps the others from being asked.
  sentinelCommandTimeout: 1000,
  socketTimeout: 5000,
  // Otherwise ioredis waits for as long as a server expects to load its data, which may be far too long.
  maxLoadingRetryTime: 250,
  retryStrategy: (times: number) => Math.min(times * 25, 250),
  reconnectOnError: (error: Error): false | 1 => (error.message.startsWith('READONLY') ? 1 : false),
  disconnectTimeout: 500,
  lazyConnect: true,
} satisfies ClientOptions

/** Rejects invalid connection options. */
export function checkAddress(given: ServerAddress): void {
  if (typeof given !== 'object' || given === null) checkUrl(given)
  if (typeof given === 'string') return
  if (!isList(given)) {
    checkOptions(given)
    return
  }
  if (given.length === 0) {
    throw new SentinelError(
      'option.invalid',
      'redis: the list of nodes is empty. Name one node of the cluster.',
    )
  }
  for (const url of given) checkUrl(url)
}

/** Creates a client, which connects when it is told to. */
export async function clientOf(given: ServerAddress): Promise<Redis | Cluster> {
  const { Cluster, Redis } = (await peer('redis', 'ioredis', () => import('ioredis'))).default
  if (typeof given === 'string') return new Redis(socketOf(given) ?? given, { ...OURS, ...accessOf(given) })
  if (!isList(given)) {
    const own: ClientOptions = copyOf(given as Partial<ClientOptions>)
    const client = new Redis({
      ...OURS,
      ...own,
      ...endless(own),
      failoverDetector: false,
      replyMapping: 'legacy',
    })
    if (own.sentinels && own.failoverDetector !== false) followFailovers(Redis, client)
    return client
  }
  const { lazyConnect, retryStrategy, maxRetriesPerRequest, enableOfflineQueue, ...node } = OURS
  const access = accessOf(given[0] as string)
  return new Cluster(given as string[], {
    lazyConnect,
    enableOfflineQueue,
    clusterRetryStrategy: (times) => Math.min(times * 25, 250),
    // Otherwise commands sent to a lost node would be sent again.
    retryDelayOnFailover: 0,
    // While a slot is moved, the error should be reported before the call takes too long.
    retryDelayOnTryAgain: 10,
    slotsRefreshTimeout: 2000,
    // The first URL also tells how to log in to the nodes that the cluster names.
    redisOptions: { ...node, ...access },
    // A certificate is issued to a name, so names are not replaced by addresses.
    ...(access.tls !== undefined && { dnsLookup: (name, done) => done(null, name) }),
  })
}

/** How long ioredis waits by default before it asks the Sentinels again. */
const sentinelRetryStrategy = (times: number): number => Math.min(times * 10, 1000)

/** Strategies that never give up: nothing would connect a client again that has ended, and the storage needs it as long as it is open. */
function endless(own: ClientOptions): ClientOptions {
  return {
    retryStrategy: (times) => pauseOf(own, 'retryStrategy', times) ?? OURS.retryStrategy(times),
    sentinelRetryStrategy: (times) =>
      pauseOf(own, 'sentinelRetryStrategy', times) ?? sentinelRetryStrategy(times),
  }
}

/** ioredis ends a client when its strategy is not a function, such as `false`, or returns anything but a number. */
function pauseOf(
  own: ClientOptions,
  name: 'retryStrategy' | 'sentinelRetryStrategy',
  times: number,
): number | undefined {
  const answer = typeof own[name] === 'function' ? own[name](times) : undefined
  return typeof answer === 'number' ? answer : undefined
}

function isList(given: Exclude<ServerAddress, string>): given is readonly string[] {
  return Array.isArray(given)
}
