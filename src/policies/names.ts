import { nearest } from '../core/nearest.js'

/** Most names to remember, more than real code has. Unknown names beyond it are reported only when their handler is reached. */
const MOST_NAMES = 10_000

/** Names of policies that any sentinel of this process defines. */
const given = new Set<string>()
/** Names that guards in front of handlers refer to, and that no sentinel has defined yet. */
const asked = new Set<string>()
/** How many sentinels are running. */
let sentinels = 0

/** Registers a sentinel; the returned function unregisters it, once. */
export function noteSentinel(): () => void {
  sentinels++
  let here = true
  return () => {
    if (!here) return
    here = false
    if (--sentinels > 0) return
    // Names of earlier sentinels do not concern later ones.
    asked.clear()
    given.clear()
  }
}

/** Records that a sentinel defines policies of these names. */
export function noteGiven(names: Iterable<string>): void {
  for (const name of names) {
    if (given.size < MOST_NAMES) given.add(name)
    asked.delete(name)
  }
}

/** Records a name used by a guard that belongs to no particular sentinel. */
export function noteAsked(name: string): void {
  if (!given.has(name) && asked.size < MOST_NAMES) asked.add(name)
}

/**
 * Returns names that handlers refer to and that no sentinel defines, if a sentinel with these policies should warn of them. Each
 * name is returned once. Which sentinel is upstream of a handler shows only when an update reaches it. Until then a sentinel
 * warns of all unknown names if it is the only one, and otherwise only of names that resemble its own.
 */
export function takeUnknown(known: readonly string[]): readonly string[] {
  const unknown = [...asked].filter((name) => sentinels <= 1 || nearest(name, known) !== undefined)
  for (const name of unknown) asked.delete(name)
  return unknown
}
