/** As many names as code has, and more: beyond it what is asked for is told of when it is reached. */
const MOST_NAMES = 10_000

/** Names of policies that any sentinel of this process was given. */
const given = new Set<string>()
/** Names that stand before handlers, whichever sentinel will be upstream, and that none was given yet. */
const asked = new Set<string>()

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

/** Names that were asked for and that no sentinel has; each is given once. */
export function takeUnknown(): readonly string[] {
  const unknown = [...asked]
  asked.clear()
  return unknown
}
