import { SentinelError } from '../core/errors.js'
import { nearest } from '../core/nearest.js'
import { shown } from '../core/show.js'
import { debounce } from '../middleware/debounce.js'
import type { GuardDefinition } from '../middleware/guard.js'
import { unclaimed } from '../middleware/position/place.js'
import { requireRegistered, requireRole } from '../middleware/require.js'
import type { PolicyNames } from '../middleware/throttle/runtime-limits.js'
import { throttle } from '../middleware/throttle.js'
import { debounceOf, type Layer, type Resolved, resolve, throttlesOf, usualOf } from './layers.js'
import { noteGiven } from './names.js'
import { checkName, type Policy, type PolicyOptions, type PolicyOverride } from './policy-options.js'

/**
 * The policies that a sentinel was given by name. Names are looked up in a map, so that whatever is called `__proto__` is none.
 */
export class PolicyBook implements PolicyNames {
  private readonly policies: ReadonlyMap<string, PolicyOptions>
  /** Made once: whatever is made of guards counts them, and they are named by that. */
  private readonly made = new Map<string, readonly GuardDefinition[]>()

  /**
   * @throws SentinelError `policy.unknown` for a policy that extends one that there is not, `policy.cycle` for one that extends
   * itself, `option.invalid`, and what its parts throw.
   */
  constructor(policies: Readonly<Record<string, PolicyOptions>> = {}) {
    this.policies = new Map(Object.entries(policies))
    for (const [name, options] of this.policies) {
      checkName(name, `policies.${name}`)
      if (options.name !== undefined && options.name !== name) {
        throw new SentinelError(
          'option.invalid',
          `policies.${name}: this is the policy ${shown(options.name)}. Give it under its own name, or define another.`,
        )
      }
      this.definitionsOf(name, undefined)
    }
    noteGiven(this.policies.keys())
  }

  get names(): readonly string[] {
    return [...this.policies.keys()]
  }

  /** Whether there is a policy of this name. */
  has(name: string): boolean {
    return this.policies.has(name)
  }

  definitionsOf(name: string, own: object | undefined): readonly GuardDefinition[] {
    const known = own === undefined ? this.made.get(name) : undefined
    if (known !== undefined) return known
    const definitions = definitionsOf(this.resolved(name, own))
    if (own === undefined) this.made.set(name, definitions)
    return definitions
  }

  /**
   * A policy with all it extends, and what a handler has of its own.
   *
   * @throws SentinelError `policy.unknown`, `policy.cycle`.
   */
  resolved(policy: string | Policy, own?: PolicyOverride | undefined): Resolved {
    const name = typeof policy === 'string' ? policy : policy.name
    const layers = this.layersOf(policy, [], 'policy')
    return resolve(name, own === undefined ? layers : [...layers, { from: 'handler', options: own }])
  }

  /** What is extended first. */
  private layersOf(policy: string | Policy, way: readonly string[], what: string): readonly Layer[] {
    const name = typeof policy === 'string' ? policy : policy.name
    const options = typeof policy === 'string' ? this.policies.get(policy) : policy
    if (options === undefined) throw unknownPolicy(what, name, this.names)
    if (way.includes(name)) {
      const circle = [...way.slice(way.indexOf(name)), name]
      throw new SentinelError(
        'policy.cycle',
        `policies.${name}.extends: it extends itself: ${circle.join(' → ')}. Take one of these links away.`,
      )
    }
    const under =
      options.extends === undefined
        ? []
        : this.layersOf(options.extends, [...way, name], `policies.${name}.extends`)
    return [...under, { from: `policy ${name}`, options }]
  }
}

/** Tells of a policy that there is not, and which was meant. */
export function unknownPolicy(what: string, name: unknown, known: readonly string[]): SentinelError {
  const meant = typeof name === 'string' ? nearest(name, known) : undefined
  const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`
  const list =
    known.length === 0
      ? ' No sentinel upstream names any: sentinel({ policies: { … } }).'
      : ` Policies: ${known.join(', ')}.`
  return new SentinelError('policy.unknown', `${what}: there is no policy ${shown(name)}.${hint}${list}`)
}

/**
 * The guards that a policy is made of, in the order in which they are asked: roles, registration, debounce, limits.
 *
 * @throws SentinelError naming the part that is wrong.
 */
export function definitionsOf(resolved: Resolved): readonly GuardDefinition[] {
  const { name, parts } = resolved
  const usual = usualOf(parts)
  const definitions: GuardDefinition[] = []
  const [role, ...roles] = (parts.get('roles')?.value ?? []) as readonly string[]
  const debounced = debounceOf(resolved)
  try {
    // Made while updates come, too, and with every change of options.
    unclaimed(() => {
      if (role !== undefined) definitions.push(...requireRole(role, ...roles, usual).definitions)
      if (parts.get('registered')?.value === true) definitions.push(...requireRegistered(usual).definitions)
      if (debounced !== undefined) definitions.push(...debounce(debounced).definitions)
      for (const limit of throttlesOf(resolved)) definitions.push(...throttle(limit).definitions)
    })
  } catch (error) {
    throw ofPolicy(name, error)
  }
  // Some of it is only known among services, such as which roles there are.
  return definitions.map((definition) => ({
    ...definition,
    wire(wiring) {
      try {
        return definition.wire(wiring)
      } catch (error) {
        throw ofPolicy(name, error)
      }
    },
  }))
}

function ofPolicy(name: string, error: unknown): unknown {
  if (!(error instanceof SentinelError)) return error
  return new SentinelError(error.code, `policy ${name}: ${error.message}`, { cause: error })
}
