import { SentinelError } from '../../core/errors.js'
import { isMissing, peerSpec } from '../../core/peer.js'

const PACKAGES = ['@mtcute/core', '@mtcute/wasm', '@fuman/node'] as const
/** The error of `require()` names the file, not its package. */
const REQUIRED = '@mtcute/core/tl/api-schema.json'

/** Returns the error that says what to install if the cause is that a package is not installed; otherwise the cause itself. */
export function missingPackages(cause: unknown): unknown {
  if (!isMissing(cause, [...PACKAGES, REQUIRED])) return cause
  return new SentinelError(
    'mtproto.missing',
    `mtproto: its packages are not installed. Run \`npm install ${PACKAGES.map(peerSpec).join(' ')}\`, exactly these versions.`,
    { cause },
  )
}
