import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getTdjson } from 'prebuilt-tdlib'

/** A PKCS#1 PEM of 2048 bits, as it stands in the library: without the line feed at its end. */
const PEM = /-----BEGIN RSA PUBLIC KEY-----\n(?:[A-Za-z0-9+/=]{1,64}\n)+-----END RSA PUBLIC KEY-----/g
const LENGTH = 425
/** Of Telegram's data centres, and of its test ones. A third, shorter by its line breaks, is for settings by DNS. */
const KEYS = 2

/**
 * TDLib trusts two keys that are compiled into it, and no others. So this puts ours in the place of both, in a copy of it inside
 * `folder`, whose path it answers with.
 */
export function libraryThatTrusts(publicKey, folder, source = getTdjson()) {
  const ours = publicKey.trimEnd()
  if (ours.length !== LENGTH)
    throw new Error(`tdlib: our key takes ${ours.length} bytes in PEM; one of 2048 bits takes ${LENGTH}`)
  const library = readFileSync(source)
  const found = [...library.toString('latin1').matchAll(PEM)].filter(([pem]) => pem.length === LENGTH)
  if (found.length !== KEYS)
    throw new Error(
      `tdlib: ${source} holds ${found.length} keys of ${LENGTH} bytes in place of ${KEYS}. Its version has changed: see which of them are the servers'.`,
    )
  for (const { index } of found) library.write(ours, index, 'latin1')
  const path = join(folder, `libtdjson-${createHash('sha256').update(ours).digest('hex').slice(0, 8)}.so`)
  writeFileSync(path, library)
  return path
}
