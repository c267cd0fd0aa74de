import { type Key, textKey } from '../../core/subject.js'

/**
 * Returns the one form of a key that storages look up, so that a text key from an export equals the number key from an update.
 *
 * @throws SentinelError `subject.invalid` for a text that is not a key.
 */
export function canonicalKey(key: Key): Key {
  return typeof key === 'number' ? key : textKey(key)
}
