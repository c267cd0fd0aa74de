import type { BaseTelegramClient } from '@mtcute/core/client.js'
import { SentinelError } from '../../core/errors.js'

interface Connecting {
  run(): Promise<void>
}

/**
 * mtcute 0.30.3 tells whoever calls a client that was destroyed, and rejects another promise that nobody has: Node ends the process for that. A
 * list that is read on after `close()` would do so. Here the caller alone is told.
 */
export function tellCallersAlone(base: BaseTelegramClient): void {
  // Not public: where a version keeps it elsewhere there is nothing to mend.
  const connecting = Reflect.get(base, '_connect') as Connecting | undefined
  if (typeof connecting?.run !== 'function') return
  const { run } = connecting
  connecting.run = () => (base.destroyed ? Promise.reject(closed()) : run())
}

/** What whoever comes behind `close()` is told. */
export function closed(): SentinelError {
  return new SentinelError('mtproto.session', 'mtproto: the client was closed. Make another one.')
}
