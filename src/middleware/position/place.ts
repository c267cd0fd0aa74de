/** How often each name was claimed since wiring began. Names are written in code, so there are few. */
let claimed = new Map<string, number>()
const claimedOn = new WeakMap<object, Map<string, number>>()
/**
 * Guards created while updates are handled may claim a name without end: beyond this number they share one state, which bounds
 * memory.
 */
const MOST_OF_ONE_NAME = 1000

/**
 * Restarts the numbering for another sentinel, so that a bot that is wired twice in one process, as in tests of a
 * restart, gets the same names.
 */
export function beginWiring(): void {
  claimed = new Map()
}

/**
 * Returns a unique name: the name itself, then `name~2` and so on, in the order of wiring, which is the same in every
 * worker that runs the same code.
 *
 * @param scope Where the name must be unique; by default among all wired guards.
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

/** Creates guards for options and policies without claiming names that guards wired by the developer would otherwise get. */
export function unclaimed<T>(make: () => T): T {
  const before = claimed
  claimed = new Map()
  try {
    return make()
  } finally {
    claimed = before
  }
}

/** The names of the handlers behind one sentinel. Two handlers with the same name would share their state. */
export class Names {
  readonly taken = new Set<string>()

  /** Returns the name, or a similar free one after a warning. */
  take(name: string, warn: (message: string) => void): string {
    if (!this.taken.has(name)) {
      this.taken.add(name)
      return name
    }
    warn(
      `Guards of two handlers are named "${name}". Their counts are told apart by which was used first, which may differ after a restart. Give each handler its own name.`,
    )
    return `${claim(name, this.taken)}*`
  }
}

/**
 * The position of guards: in front of which handler. Its name identifies their state, so it has to be the same after a restart
 * and in workers of another version: the name of the method with its class, of the function, or of what the handler was
 * registered for.
 */
export class Place {
  private settled: string | undefined
  private stale = false
  private usual: () => string
  /** The number of guard layers around the handler. */
  depth = 0
  /** The outermost layer, which bears the name. */
  top: object | undefined

  /** @param usual The name if none is suggested or settled before it is needed. */
  constructor(usual: string) {
    this.usual = () => usual
  }

  /** Fixes the name; later calls have no effect. */
  settle(base = this.usual()): void {
    if (this.settled !== undefined) return
    const name = claim(base)
    this.stale = tooMany(name)
    this.settled = this.stale ? base : name
  }

  /** Sets a function that computes the name when it is needed. */
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

  /** Whether very many places have this name, so that they share it. */
  get crowded(): boolean {
    return this.stale
  }
}

/** Whether a claimed name is one of very many that are alike. */
export function tooMany(name: string): boolean {
  return Number(name.slice(name.lastIndexOf('~') + 1)) > MOST_OF_ONE_NAME
}

/** Returns the name of a class key: `buy`, `#buy`, and `[buy]` for a symbol. */
export function nameOfKey(key: string | symbol): string {
  return typeof key === 'symbol' ? `[${key.description ?? ''}]` : key
}

/** Returns the name of a class member: `Shop.buy`, `Shop[buy]`, or `buy` if the class has no name. */
export function memberName(owner: unknown, key: string | symbol): string {
  const name = typeof owner === 'function' && typeof owner.name === 'string' ? owner.name : ''
  const member = nameOfKey(key)
  if (name === '') return member
  return typeof key === 'symbol' ? `${name}${member}` : `${name}.${member}`
}
