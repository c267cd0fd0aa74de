import { createHash } from 'node:crypto'
import type { RedisOptions as ClientOptions, Cluster, Redis } from 'ioredis'
import { quietTimers } from '../../core/clock.js'
import { SentinelError } from '../../core/errors.js'
import { endsWithin } from '../../core/in-time.js'
import { checkAddress, clientOf, OURS, type ServerAddress } from './clients.js'
import { tellFaults } from './cluster-faults.js'
import { mastersOf } from './cluster-masters.js'
import { isEarlyClose, tellEarlyCloses } from './early-closes.js'
import { closed, explained, isMoving, readOnly, wordsOf } from './failures.js'
import { LostNodes } from './lost-nodes.js'

/** A script, and the hash by which a server knows it once it is loaded. */
export interface Script {
  readonly text: string
  readonly sha: string
}

export function scriptOf(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/**
 * What {@link redis} connects to: a URL; the options of ioredis, which include Sentinel, TLS and ACL users; the URLs of some
 * nodes of a Cluster; or your own client, which is not closed with the storage.
 *
 * @example
 * ```ts
 * import { type RedisConnection, redis } from 'grammy-sentinel/redis'
 *
 * const behindSentinel: RedisConnection = {
 *   sentinels: [{ host: 'sentinel-1', port: 26379 }],
 *   name: 'mymaster',
 * }
 * redis(behindSentinel)
 * ```
 */
export type RedisConnection = string | readonly string[] | ClientOptions | Redis | Cluster

/** Methods that both kinds of client have, although the types of one do not declare them. */
interface ScriptRunner {
  evalshaBuffer(sha: string, keys: number, ...rest: readonly (string | number | Buffer)[]): Promise<unknown>
  evalBuffer(text: string, keys: number, ...rest: readonly (string | number | Buffer)[]): Promise<unknown>
}

const ENDED =
  'the given client has been closed, or its retryStrategy has given up. Pass an open one, or call its connect()'
const NEVER = 'the connection was lost before it was ready'
const NEVER_WHOLE = `${NEVER}. A cluster must serve all slots, and its nodes must announce an address: see cluster-announce-ip`
const UNREADY = 'the server accepts connections, but is not ready: it may still be loading its data'
const NAMED =
  'Redis Sentinel may have named a server that is still a replica, which is not used: a failover may be under way'
/** Messages of ioredis that do not tell why a server cannot be reached. */
const VAGUE =
  /^(the connection was lost before|Connection is closed|Stream isn't writeable|None of startup nodes|Failed to refresh slots|All sentinels are unreachable. Retrying from scratch after \d+ms.$)/

/** How long calls that no decision waits for are repeated while a slot is moved, and the pause before each repetition, in milliseconds. */
const MOVING = 1000
const MOVING_PAUSE = 25

/** Number of listeners of one connection to one event of its client. */
const LISTENERS = 2
/** Number of listeners that Node allows by default, left to ioredis and the application. */
const OTHER_LISTENERS = 10

/** A client, our own or one passed in, and the operations on it. */
export class Connection {
  private readonly ours: boolean
  /** Our own client is created on first use, when ioredis is loaded. */
  private made: Redis | Cluster | undefined
  private lastError: string | undefined
  private closed = false
  private wasReady = false
  /** Number of times a server became ready. It may have lost its data since, or be another server. */
  epoch = 0
  /** Called when that number increases. */
  returned: () => void = () => undefined
  private connecting: Promise<void> | undefined
  /** Rejects the calls that wait until a client is ready. */
  private readonly waits = new Set<(error: Error) => void>()
  private readonly lostNodes = new LostNodes(() => this.client as Cluster)

  constructor(
    private readonly given: RedisConnection,
    /** Prefix of all keys. */
    private readonly prefix: string,
  ) {
    this.ours = !isClient(given)
    if (isClient(given)) {
      this.made = given
      given.on('ready', this.recovered)
      if (this.connectsNodes) given.on('+node', this.connectNode).on('-node', this.lostNodes.lost)
      else given.on('+node', this.met)
      allowListeners(given)
      warnOfResending(given)
    } else checkAddress(given)
  }

  get kind(): 'redis' | 'redis-cluster' {
    const { made, given } = this
    const isOne = made === undefined ? !Array.isArray(given) : isRedis(made)
    return isOne ? 'redis' : 'redis-cluster'
  }

  /** The client; available once the connection has been awaited. */
  private get client(): Redis | Cluster {
    if (this.made === undefined) throw this.closed ? closed() : explained(NEVER)
    return this.made
  }

  /** Connects and checks that the server accepts writes. Rejects if it cannot now; ioredis keeps trying. */
  async ready(): Promise<void> {
    await this.connected()
    if (!isRedis(this.client)) return
    let role: unknown
    try {
      role = ((await this.client.role()) as unknown[])[0]
    } catch (error) {
      // Not every user may ask for the role, and Redis Cloud does not have the command. Then the first write to a replica fails.
      if (!/NOPERM|unknown command/.test(String(error))) throw this.explained(error)
    }
    if (role === 'slave') throw readOnly()
  }

  /** Connects; concurrent callers share one attempt. */
  private connected(): Promise<void> {
    this.connecting ??= this.connect().finally(() => {
      this.connecting = undefined
    })
    return this.connecting
  }

  private async connect(): Promise<void> {
    this.made ??= await this.make()
    const { client } = this
    try {
      // ioredis tries again without end, and its promise does not settle, while a cluster is not ready or no Redis Sentinel answers.
      if (client.status === 'wait') await Promise.race([client.connect(), this.becomesReady(client)])
      else if (client.status === 'end') throw new Error(ENDED)
      else if (client.status !== 'ready') await this.becomesReady(client)
    } catch (error) {
      throw this.explained(error)
    }
    if (isRedis(client)) {
      if (!this.wasReady) await this.refuseNode(client)
    } else if (this.connectsNodes) await this.connectNodes(client.nodes('master'))
    this.wasReady = true
  }

  /**
   * Rejects if the server is a node of a cluster, which may have only a part of the keys. Only a cluster refuses to look for two keys
   * of different slots at once.
   */
  private async refuseNode(client: Redis): Promise<void> {
    try {
      await client.exists(`${this.prefix}:{1}`, `${this.prefix}:{2}`)
    } catch (error) {
      // Not every user may ask. A replica that has lost its master is reported by its role.
      if (!/NOPERM|MASTERDOWN/.test(String(error))) throw this.explained(error)
    }
  }

  private async make(): Promise<Redis | Cluster> {
    const client = await clientOf(this.given as ServerAddress).catch((error: unknown) => {
      throw this.explained(error)
    })
    if (this.closed) throw closed()
    client.on('error', this.refused).on('ready', this.recovered)
    client.on('+node', this.connectNode).on('-node', this.lostNodes.lost)
    client.on('+node', (node: Redis) => tellFaults(node, this.failed))
    if (isRedis(client)) tellEarlyCloses(client, this.failed)
    // These say why a node of a cluster, or a Sentinel, cannot be reached; the error that follows does not always.
    return client.on('node error', this.failed).on('sentinelError', this.failed)
  }

  /** Whether nodes of a cluster are connected in advance. A given client with a queue keeps calls until they are connected. */
  private get connectsNodes(): boolean {
    return this.ours || (this.given as Cluster).options.enableOfflineQueue === false
  }

  /**
   * Connects the nodes of a cluster in advance. Otherwise a node connects on its first call and rejects further calls meanwhile.
   * A node that cannot be connected reports that to its first caller. One that does not answer must not delay calls to the others.
   */
  private async connectNodes(masters: readonly Redis[]): Promise<void> {
    await endsWithin(Promise.all(masters.map(this.connectNode)), OURS.connectTimeout, quietTimers)
  }

  private readonly connectNode = async (node: Redis): Promise<void> => {
    // Not before the cluster is ready: ioredis calls its nodes to find that out, and fails if such a node is already connecting.
    if (this.made?.status !== 'ready' || node.options.readOnly === true) return
    try {
      if (node.status === 'wait') await node.connect()
      else if (/^connect/.test(node.status)) await this.becomesReady(node)
      else return
      this.lostNodes.found()
      this.met()
    } catch (error) {
      this.failed(error)
    }
  }

  private async becomesReady(client: Redis | Cluster): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        this.waits.delete(lost)
        client.off('ready', ready)
        client.off('close', lost)
        client.off('end', lost)
        if (this.ours) client.off('error', lost)
      }
      const ready = (): void => {
        done()
        resolve()
      }
      const lost = (error?: Error): void => {
        if (this.ours && isEarlyClose(client, error)) return
        done()
        reject(error ?? new Error(isRedis(client) ? NEVER : NEVER_WHOLE))
      }
      this.waits.add(lost)
      client.on('ready', ready)
      client.on('close', lost)
      client.on('end', lost)
      if (this.ours) client.on('error', lost)
    })
  }

  /**
   * Runs a script as {@link runOnce} does, for calls that no decision waits for: while a slot of a cluster is moved, the call is
   * repeated for up to a second. What the cluster refused for this reason was not executed.
   */
  async run(...call: Parameters<Connection['runOnce']>): Promise<unknown> {
    const until = performance.now() + MOVING
    for (;;) {
      try {
        return await this.runOnce(...call)
      } catch (error) {
        if (!isMoving(error) || performance.now() > until) throw error
        await new Promise((resolve) => setTimeout(resolve, MOVING_PAUSE))
      }
    }
  }

  /**
   * Runs a script, loading it if the server does not know it: at first, and again after a restart. A client with `stringNumbers`
   * returns numbers as text, so callers convert them.
   */
  async runOnce(
    { text, sha }: Script,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    if (this.closed) throw closed()
    // Waits for the first connection only. Later, calls made while the server is away fail at once.
    if (!this.wasReady) await this.connected()
    const client = this.client as unknown as ScriptRunner
    try {
      return await client.evalshaBuffer(sha, keys.length, ...keys, ...args)
    } catch (error) {
      if (!isUnknownScript(error)) throw this.explained(error)
    }
    try {
      return await client.evalBuffer(text, keys.length, ...keys, ...args)
    } catch (error) {
      throw this.explained(error)
    }
  }

  /** Adds a member to a sorted set with the current time as its score, and removes the oldest beyond `most`. */
  async remember(key: string, what: string, most: number): Promise<void> {
    if (this.closed) throw closed()
    if (!this.wasReady) await this.connected()
    const { client } = this
    try {
      await Promise.all([client.zadd(key, Date.now(), what), client.zremrangebyrank(key, 0, -1 - most)])
    } catch (error) {
      throw this.explained(error)
    }
  }

  /** The prefix that the client adds to all keys. */
  get keyPrefix(): string {
    return this.client.options.keyPrefix ?? ''
  }

  /** Returns clients of all servers that accept writes: one, or the masters of a cluster. */
  async masters(): Promise<readonly Redis[]> {
    if (this.closed) throw closed()
    if (!this.wasReady) await this.connected()
    const { client } = this
    if (isRedis(client)) return [client]
    try {
      const nodes = await mastersOf(client)
      if (this.connectsNodes) await this.connectNodes(nodes)
      return nodes
    } catch (error) {
      throw this.explained(error)
    }
  }

  async ping(): Promise<boolean> {
    try {
      if (!this.wasReady) await this.connected()
      await this.client.ping()
      return true
    } catch {
      // The next call reports the reason.
      return false
    }
  }

  /** Returns a separate connection for listening, since a subscribed connection can do nothing else. */
  async listener(): Promise<Redis> {
    if (!this.wasReady) await this.connected()
    const nodes = isRedis(this.client) ? [this.client] : this.client.nodes('master')
    const node = nodes[Math.floor(Math.random() * nodes.length)]
    if (node === undefined) throw this.explained(new Error('no node of the cluster is known'))
    const listener = node.duplicate({
      ...OURS,
      enableOfflineQueue: true,
      disconnectTimeout: 100,
      // `Changes` makes a new connection, perhaps to another node.
      retryStrategy: () => null,
      sentinelRetryStrategy: () => null,
      sentinelCommandTimeout: node.options.sentinelCommandTimeout ?? OURS.sentinelCommandTimeout,
      maxRetriesPerRequest: null,
    })
    tellEarlyCloses(listener, this.failed)
    return listener
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    // A cluster that has no connection reports nothing more.
    for (const lost of this.waits) lost(closed())
    const { made, lostNodes } = this
    lostNodes.stop()
    made?.off('ready', this.recovered).off('+node', this.met).off('+node', this.connectNode)
    made?.off('-node', lostNodes.lost)
    if (made === undefined || !this.ours) return
    made.disconnect()
    // ioredis emits this in the other states. It ends the connections to Sentinels.
    if (made.status === 'reconnecting') made.emit('end')
    made.off('error', this.refused)
    // Errors of a socket that is being closed are of no use, but without a listener they would end the process.
    made.on('error', () => undefined)
  }

  private readonly recovered = (): void => {
    this.lastError = undefined
    this.met()
    const { made } = this
    if (made !== undefined && !isRedis(made) && this.connectsNodes)
      void this.connectNodes(made.nodes('master'))
  }

  private readonly met = (): void => {
    this.epoch++
    this.returned()
  }

  /** Remembers the error of a connection, which tells more than the failures that follow from it. */
  readonly failed = (error: unknown): void => {
    const words = wordsOf(error)
    if (!VAGUE.test(words)) this.lastError = words
  }

  /** ioredis reports a database that cannot be selected, and would then use database 0 in its place. */
  private readonly refused = (error: Error & { readonly command?: { readonly name: string } }): void => {
    this.failed(error)
    if (error.command?.name === 'select') this.made?.disconnect(true)
  }

  /** Turns an error of Redis into a SentinelError, with advice if there is any. */
  explained(error: unknown): SentinelError {
    if (this.closed) return closed()
    if (error instanceof SentinelError) return error
    const message = wordsOf(error)
    // The reason why a connection failed tells more than the fact that it ended.
    const isVague = VAGUE.test(message)
    // A node is gone, and another one may serve its keys by now. If several calls fail together, only one of them asks for the
    // new map.
    const { made } = this
    if (isVague && made !== undefined && !isRedis(made) && made.status === 'ready') made.refreshSlotsCache()
    if (!isVague) return explained(message)
    if (!this.ours && made?.status === 'end') return explained(ENDED)
    // A connection has been made since that error.
    const isUnready = isRedis(made) && made.status === 'connect' && /\bconnect E/.test(this.lastError ?? '')
    if (isUnready) return explained(UNREADY)
    const isNamed = !this.wasReady && isRedis(made) && made.options.sentinels
    return explained(this.lastError ?? (isNamed ? `${message.replace(/[.]$/, '')}. ${NAMED}` : message))
  }
}

function isUnknownScript(error: unknown): boolean {
  return wordsOf(error).startsWith('NOSCRIPT')
}

/** Checked by its methods, since the client may come from another copy of ioredis. */
function isClient(given: RedisConnection): given is Redis | Cluster {
  return typeof given === 'object' && given !== null && 'evalshaBuffer' in given
}

function isRedis(given: unknown): given is Redis {
  return typeof given === 'object' && given !== null && !('nodes' in given) && 'evalshaBuffer' in given
}

/**
 * Node warns of a leak when an event has more listeners than this, and each storage on a client needs some of its own. A limit is
 * never lowered, because the application may have set it.
 */
function allowListeners(client: Redis | Cluster): void {
  const most = client.getMaxListeners()
  const needed = LISTENERS * client.listenerCount('ready') + OTHER_LISTENERS
  // 0: any number.
  if (most > 0 && most < needed) client.setMaxListeners(needed)
}

function warnOfResending(client: Redis | Cluster): void {
  const option = isRedis(client) ? 'autoResendUnfulfilledCommands: false' : 'retryDelayOnFailover: 0'
  const resends = isRedis(client)
    ? client.options.autoResendUnfulfilledCommands !== false
    : client.options.retryDelayOnFailover !== 0
  if (!resends) return
  process.emitWarning(
    `The Redis client given to redis() resends unfulfilled commands after a lost connection, so an update may be charged twice. Set ${option} on it.`,
    { code: 'GRAMMY_SENTINEL_RESEND' },
  )
}
