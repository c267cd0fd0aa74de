/** How many of one name were claimed since wiring began. Names are written in code, so there are few. */
let claimed = new Map<string, number>()
const claimedOn = new WeakMap<object, Map<string, number>>()
/** So many of one name come of guards that are applied while updates are handled: more share one state, and memory stays bounded. */
const MOST_OF_ONE_NAME = 1000

/**
 * The wiring of another sentinel begins: numbers start anew, so that a bot that is wired twice in one process, as tests of a
 * restart do it, finds the same names.
 */
export function beginWiring(): void {
  claimed = new Map()
}

/**
 * A name that nobody else has: the name itself, then `name~2` and so on, in the order of wiring, which is the same in every
 * worker that runs the same code.
 *
 * @param scope Where nobody else has it; by default among all that are wired.
 */
export function claim(base: string, scope?: object): string {
  let names = claimed
  if (scope !== undefined) {
    names = claimedOn.get(scope) ?? new Map()
    claimedOn.set(scope, names)
  }
  const number = (names.get(base) ?? 0) + 1
  names.set(base, number)
  return number === 1 ? base : `${base}~${number}`
}

/** Makes guards of options and policies, which no developer wires: they take no name away from guards that are wired. */
export function unclaimed<T>(make: () => T): T {
  const before = claimed
  claimed = new Map()
  try {
    return make()
  } finally {
    claimed = before
  }
}

/** The names of the handlers behind one sentinel. Two of one name would share their state. */
export class Names {
  readonly taken = new Set<string>()

  /** The name, or one like it that nobody has, which is told. */
  take(name: string, warn: (message: string) => void): string {
    if (!this.taken.has(name)) {
      this.taken.add(name)
      return name
    }
    warn(
      `Guards of two handlers are named "${name}". Each counts by itself, told apart by which was used first, which may differ after a restart: give the handlers names of their own.`,
    )
    return `${claim(name, this.taken)}*`
  }
}

/**
 * Where guards stand: in front of which handler. Its name names their state, so it has to be the same after a restart and in
 * workers of another version: the name of the method with its class, of the function, or of what the handler was registered for.
 */
export class Place {
  private settled: string | undefined
  private stale = false
  private usual: () => string
  /** How many layers of guards are around the handler. */
  depth = 0
  /** The outermost of them, which bears the name. */
  top: object | undefined

  /** @param usual What it is called if nobody knows better by the time it is needed. */
  constructor(usual: string) {
    this.usual = () => usual
  }

  /** Settles the name: the first who knows it is right. */
  settle(base = this.usual()): void {
    if (this.settled !== undefined) return
    const name = claim(base)
    this.stale = tooMany(name)
    this.settled = this.stale ? base : name
  }

  /** Knows what it is called, but not before it is needed. */
  suggest(name: () => string): void {
    this.usual = name
  }

  get name(): string {
    this.settle()
    return this.settled as string
  }

  get isSettled(): boolean {
    return this.settled !== undefined
  }

  /** Whether it is one of very many of its name, so that it has none of its own. */
  get crowded(): boolean {
    return this.stale
  }
}

/** Whether a name that was claimed is one of very many that are alike. */
export function tooMany(name: string): boolean {
  return Number(name.slice(name.lastIndexOf('~') + 1)) > MOST_OF_ONE_NAME
}

/** What a key of a class is called: `buy`, `#buy`, and `[buy]` for a symbol. */
export function nameOfKey(key: string | symbol): string {
  return typeof key === 'symbol' ? `[${key.description ?? ''}]` : key
}

/** What a member of a class is called: `Shop.buy`, `Shop[buy]`, or `buy` where the class has no name. */
export function memberName(owner: unknown, key: string | symbol): string {
  const name = typeof owner === 'function' && typeof owner.name === 'string' ? owner.name : ''
  const member = nameOfKey(key)
  if (name === '') return member
  return typeof key === 'symbol' ? `${name}${member}` : `${name}.${member}`
}
