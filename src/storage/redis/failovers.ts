import type { Redis, RedisOptions } from 'ioredis'

const SWITCHED = '+switch-master'
/** Shorter than the time after which routers drop idle connections. */
const KEEP_ALIVE = 30_000

/**
 * Makes a client behind Redis Sentinel connect anew once the Sentinels have another master. The former one may be well and accept
 * writes for ten seconds or longer, until it is made a replica and loses them.
 *
 * The `failoverDetector` of ioredis is not used: it also cuts the connection when another master fails over, ends the client for
 * good if it is connecting at that moment, and writes to the console when a Sentinel cannot be reached.
 */
export function followFailovers(Client: typeof Redis, client: Redis): void {
  const { options } = client
  let listeners: Redis[] = []
  /** The last report of a switch, which ends with the address of the new master. */
  let report: string | undefined
  let isUnchecked = false
  /** The address of the current connection, or of the last one. */
  let address: string | undefined
  /** What that was when the switch was first reported. */
  let former: string | undefined
  const check = (): void => {
    address = `${client.stream.remoteAddress} ${client.stream.remotePort}`
    if (!isUnchecked) return
    isUnchecked = false
    // Each Sentinel reports the switch, one of them a second after the others, by names or by addresses. A name cannot be compared,
    // so a connection that leads elsewhere than before the switch is kept.
    if (address === former && masterOf(report, options.natMap) !== address) client.disconnect(true)
  }
  const begin = (): void => {
    listeners = (options.sentinels ?? []).map(({ host, port = 26379, family = options.family }) => {
      const listener: Redis = new Client({
        host,
        port,
        family,
        username: options.sentinelUsername,
        password: options.sentinelPassword,
        tls: options.sentinelTLS,
        protocol: options.protocol,
        replyMapping: 'legacy',
        connectTimeout: options.connectTimeout,
        disconnectTimeout: options.disconnectTimeout,
        keepAlive: KEEP_ALIVE,
        enableReadyCheck: false,
        maxRetriesPerRequest: null,
        // ioredis would subscribe again by itself, and leave it unhandled if a Sentinel refuses that.
        autoResubscribe: false,
        autoResendUnfulfilledCommands: false,
        retryStrategy: (times) => Math.min(times * 100, 5000),
      } as RedisOptions & { replyMapping: 'legacy' })
      // The others report failovers meanwhile.
      listener.on('error', ignore)
      listener.on('message', (_channel: string, message: string) => {
        if (!message.startsWith(`${options.name} `)) return
        if (message !== report) former = address
        report = message
        isUnchecked = true
        if (/^(ready|connect)$/.test(client.status)) check()
      })
      listener.on('ready', () => listener.subscribe(SWITCHED).catch(ignore))
      return listener
    })
  }
  client.once('ready', begin)
  // While it was connecting, it may have been given the address of the former master already.
  client.on('connect', check)
  client.on('end', () => {
    client.off('ready', begin)
    for (const listener of listeners) listener.disconnect()
  })
}

/** The address of the new master in a report, as the client connects to it. */
function masterOf(report: string | undefined, natMap: RedisOptions['natMap']): string | undefined {
  const [host, port] = report?.split(' ').slice(-2) ?? []
  const key = `${host}:${port}`
  const translated = typeof natMap === 'function' ? natMap(key) : natMap?.[key]
  return translated ? `${translated.host} ${translated.port}` : `${host} ${port}`
}

function ignore(): void {}
