import type { Key } from '../core/subject.js'

/**
 * Something was changed in a storage, by this process or another that shares it: marks put or taken away (`keys` are
 * those named, whether or not anything was changed for each), a subject reset (of one slot, or of all).
 * `gap`: changes may have been missed (a lost connection), so whatever was remembered is to be read again.
 *
 * @example
 * ```ts
 * import { keyText, type StorageChange } from 'grammy-sentinel'
 *
 * const line = (change: StorageChange): string =>
 *   change.kind === 'marks' ? `${change.name}: ${change.keys.map(keyText).join(', ')}` : change.kind
 * ```
 */
export type StorageChange =
  | {
      readonly kind: 'marks'
      readonly bot: number
      readonly name: string
      readonly keys: readonly Key[]
    }
  | { readonly kind: 'reset'; readonly bot: number; readonly key: Key; readonly slot?: string }
  | { readonly kind: 'gap' }

/**
 * Told of every {@link StorageChange}, synchronously; it must not throw.
 *
 * @example
 * ```ts
 * import type { ChangeListener } from 'grammy-sentinel'
 *
 * const print: ChangeListener = ({ kind }) => console.log(kind)
 * ```
 */
export type ChangeListener = (change: StorageChange) => void

/** The listeners of one storage. */
export class ChangeListeners {
  private readonly listeners = new Set<{ readonly tell: ChangeListener }>()

  /** Whether anybody listens, so that changes need not be put together for nobody. */
  get any(): boolean {
    return this.listeners.size > 0
  }

  /** The same listener may listen twice; each is stopped by itself. */
  add(listener: ChangeListener): () => void {
    const listening = { tell: listener }
    this.listeners.add(listening)
    return () => {
      this.listeners.delete(listening)
    }
  }

  /** Tells everybody. What one throws reaches whoever told, after all others were. */
  tell(change: StorageChange): void {
    const errors: unknown[] = []
    for (const { tell } of this.listeners) {
      try {
        tell(change)
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  clear(): void {
    this.listeners.clear()
  }
}
