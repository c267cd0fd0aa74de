import { SentinelError } from './errors.js'

/** Optional peer dependencies and the versions known to work: the same ranges as in `package.json`. */
const RANGES = {
  '@fuman/node': '0.0.20',
  '@mtcute/core': '0.30.3',
  '@mtcute/wasm': '0.30.3',
  '@opentelemetry/api': '^1.9.0',
  'better-sqlite3': '^12.0.0',
  'fast-check': '^4.0.0',
  ioredis: '^6.0.0',
  pg: '^8.16.0',
  pino: '^9.0.0 || ^10.0.0',
  'prom-client': '^15.1.0',
} as const

/** The name of an optional peer. */
export type PeerName = keyof typeof RANGES

/** Returns what to install, such as `ioredis@^6.0.0`. */
export function peerSpec(name: PeerName): string {
  return `${name}@${RANGES[name]}`
}

/** Creates the error for optional packages that are needed but not installed. */
export function peerMissing(what: string, names: readonly PeerName[], cause: unknown): SentinelError {
  const specs = names.map((name) => {
    const spec = peerSpec(name)
    return spec.includes(' ') ? `"${spec}"` : spec
  })
  const missing = names.length === 1 ? 'its package is' : 'its packages are'
  return new SentinelError(
    'peer.missing',
    `${what}: ${missing} not installed. Run \`npm install ${specs.join(' ')}\`.`,
    { cause },
  )
}

/**
 * Whether an error of `import()` or `require()` says that one of the named packages is missing. False for errors inside a
 * package, such as a missing file of its own.
 */
export function isMissing(error: unknown, names: readonly string[]): boolean {
  const { code, message } = Object(error) as { readonly code?: unknown; readonly message?: unknown }
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return false
  // Yarn Plug'n'Play has a message of its own.
  return names.some((name) => new RegExp(`(?:'|Required package: )${name}['\\s]`).test(String(message)))
}

/**
 * Loads an optional peer on first use. Of a CommonJS package use `default` only: in bundles that are split into several files, and
 * in those of older webpack, it is the only export.
 */
export async function peer<T>(what: string, name: PeerName, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw isMissing(cause, [name]) ? peerMissing(what, [name], cause) : cause
  }
}
