import { nearest } from '../core/nearest.js'

/** As many names as code has, and more: beyond it what is asked for is told of when it is reached. */
const MOST_NAMES = 10_000

/** Names of policies that any sentinel of this process was given. */
const given = new Set<string>()
/** Names that stand before handlers, whichever sentinel will be upstream, and that none was given yet. */
const asked = new Set<string>()
/** How many sentinels are at work. */
let sentinels = 0

/** A sentinel has come; the returned function says, once, that it is gone. */
export function noteSentinel(): () => void {
  sentinels++
  let here = true
  return () => {
    if (!here) return
    here = false
    // Names that were asked for under former sentinels do not concern later ones.
    if (--sentinels === 0) asked.clear()
  }
}

/** A sentinel knows policies of these names. */
export function noteGiven(names: Iterable<string>): void {
  for (const name of names) {
    if (given.size < MOST_NAMES) given.add(name)
    asked.delete(name)
  }
}

/** Somebody asks for a policy by its name, and no sentinel is there to look it up. */
export function noteAsked(name: string): void {
  if (!given.has(name) && asked.size < MOST_NAMES) asked.add(name)
}

/**
 * Names that were asked for, that no sentinel has, and that a sentinel with policies of these names should have had; each is given
 * once. Which sentinel a handler is behind shows when it is reached. Before, a sentinel warns only of what can be meant for no other:
 * of all where it is the only one, and else of slips in its own names.
 */
export function takeUnknown(known: readonly string[]): readonly string[] {
  const unknown = [...asked].filter((name) => sentinels <= 1 || nearest(name, known) !== undefined)
  for (const name of unknown) asked.delete(name)
  return unknown
}
