import type { SentinelError } from '../../core/errors.js'
import type { Key } from '../../core/subject.js'

/**
 * A change in a storage, made by this process or another that shares it. `marks`: marks were put or removed; `keys` lists the
 * keys of the call, whether or not each one changed. `reset`: a subject was reset, in one slot or, without `slot`, in all. `gap`:
 * changes may have been missed (for example after a lost connection), so remembered state must be read again. A gap with `lost`, the
 * reason, says that no changes are received until the next gap without it.
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
  | { readonly kind: 'gap'; readonly lost?: SentinelError | undefined }

/**
 * Receives every {@link StorageChange}, synchronously. It must not throw.
 *
 * @example
 * ```ts
 * import type { ChangeListener } from 'grammy-sentinel'
 *
 * const print: ChangeListener = ({ kind }) => console.log(kind)
 * ```
 */
export type ChangeListener = (change: StorageChange) => void
