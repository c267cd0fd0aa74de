import { SentinelError } from '../../core/errors.js'

/** pg reads any scheme as its own. Node ignores white space around a URL. */
const SCHEME = /^\s*((postgres|postgresql|pg|pgsql|postgis|cockroachdb|tcp):\/\/|socket:)/i

/**
 * Rejects a connection string that pg cannot read, or would read as something else: of `host=db user=bot` it would look for a host
 * named "base". The string is not shown, because it may contain a password.
 */
export function checkConnectionString(option: string, text: string): void {
  // The path of a socket, perhaps with the name of a database.
  if (text.startsWith('/') || (SCHEME.test(text) && isReadable(text))) return
  throw new SentinelError(
    'option.invalid',
    `${option}: that is not a connection string. Write it as postgres://user:password@host:5432/database, with one host; in the password, percent-encode everything but letters and digits.`,
  )
}

function isReadable(text: string): boolean {
  try {
    const { username, password, hostname, port, pathname, hash, searchParams } = urlOf(text)
    for (const part of [username, password, hostname, pathname]) decodeURIComponent(part)
    // The user was read as the host, and the digits that the password begins with as the port.
    const isUser = username === '' && port !== '' && /@/.test([pathname, ...searchParams.keys()].join())
    return hash === '' && !isUser && !`${hostname}${searchParams.get('host')}`.includes(',')
  } catch {
    return false
  }
}

/** Reads a connection string as pg does: it may contain blanks and single percent signs, and lack a host after the user. */
function urlOf(text: string): URL {
  const isEncoded = !/ |%[^a-f0-9]|%[a-f0-9][^a-f0-9]/i.test(text)
  const encoded = isEncoded ? text : encodeURI(text).replace(/%25(\d\d)/g, '%$1')
  try {
    return new URL(encoded)
  } catch {
    return new URL(encoded.replace('@/', '@host/'))
  }
}
