import { SentinelError } from '../../core/errors.js'

const SOCKET = /^unix:\/\/([^/]*@)?\/*/

/** How to log in to a server, as options of ioredis. */
interface Access {
  readonly username?: string
  readonly password?: string
  readonly tls?: object
}

/** Rejects what is not a URL of a Redis. The URL is not shown, because it may contain a password. */
export function checkUrl(url: unknown): void {
  if (typeof url === 'string' && /^(rediss?|unix):\/\//.test(url) && isReadable(url)) return
  throw new SentinelError(
    'option.invalid',
    url === undefined
      ? 'redis: no URL was given. Is the environment variable set?'
      : 'redis: that is not a Redis URL. Write it as redis://user:password@host:6379/0, where 0 is the number of a database, or rediss:// for TLS; in the password, percent-encode everything but letters and digits.',
  )
}

/** Returns a copy of options, which includes what they inherit from an object with defaults. */
export function copyOf<Options extends object>(options: Options): Options {
  const copy = {} as Options
  for (const name in options) copy[name] = options[name]
  return copy
}

/**
 * Rejects what are not options of ioredis, which ignores all that it does not know and connects to localhost. Rejects a database
 * that is not a number: ioredis would ask for the database "NaN", and nothing could catch the error.
 */
export function checkOptions(options: object): void {
  const prototype: unknown = Object.getPrototypeOf(options)
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null
  const known: Readonly<Record<string, unknown>> = copyOf(options) as never
  // Options may be an instance of a class of the application, but so are URLs.
  const namesServer =
    ['host', 'port', 'path', 'sentinels'].some((name) => name in known) && !('href' in known)
  if (!(isPlain || namesServer) || known.url !== undefined || 'sendCommand' in options) {
    throw new SentinelError(
      'option.invalid',
      'redis: that is neither a URL as text, nor options or a client of ioredis. Write redis(url), with the text of the URL.',
    )
  }
  const { db, sentinels, name } = known
  const isListed = Array.isArray(sentinels) && sentinels.length > 0
  if (sentinels && !(isListed && typeof name === 'string' && name !== '')) {
    throw new SentinelError(
      'option.invalid',
      "redis: behind Redis Sentinel, give the list of Sentinels and the name of the master: redis({ sentinels: [{ host: '10.0.0.1', port: 26379 }], name: 'mymaster' }).",
    )
  }
  if (db === undefined || /^\d+$/.test(String(db))) return
  throw new SentinelError(
    'option.invalid',
    `redis: db is ${String(db)}. Write the number of a database, such as 0.`,
  )
}

/** Returns user, password and TLS of a URL. */
export function accessOf(url: string): Access {
  // A socket has no host, and without a host a URL cannot have a user.
  const { protocol, username, password } = new URL(url.replace(SOCKET, 'redis://$1socket/'))
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  }
}

/** Returns the path of a socket; undefined for other URLs. */
export function socketOf(url: string): string | undefined {
  return SOCKET.test(url) ? url.replace(SOCKET, '/') : undefined
}

function isReadable(url: string): boolean {
  try {
    accessOf(url)
    const { pathname, searchParams } = new URL(url.replace(SOCKET, 'redis://$1socket/'))
    const isDatabase = SOCKET.test(url) || /^\/?(\d+\/?)?$/.test(pathname)
    return isDatabase && /^\d*$/.test(searchParams.get('db') ?? '')
  } catch {
    return false
  }
}
