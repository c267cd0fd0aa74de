import type { BaseTelegramClient } from '@mtcute/core/client.js'
import { SentinelError } from '../../core/errors.js'

interface Connecting {
  run(): Promise<void>
}

/**
 * When a destroyed client is called, mtcute 0.30.3 rejects not only the caller's promise but also one that nobody handles, which
 * makes Node exit; for example when a list is read on after `close()`. With this fix only the caller gets the error.
 */
export function tellCallersAlone(base: BaseTelegramClient): void {
  // `_connect` is private to mtcute: if a version has no such field, there is nothing to fix.
  const connecting = Reflect.get(base, '_connect') as Connecting | undefined
  if (typeof connecting?.run !== 'function') return
  const { run } = connecting
  connecting.run = () => (base.destroyed ? Promise.reject(closed()) : run())
}

/** The error for calls after `close()`. */
export function closed(): SentinelError {
  return new SentinelError('mtproto.session', 'mtproto: the client was closed. Create another one.')
}
