import { located, SentinelError } from '../core/errors.js'
import { hintAt } from '../core/nearest.js'
import { shown } from '../core/show.js'
import { debounce } from '../middleware/debounce.js'
import type { GuardDefinition, PolicyNames } from '../middleware/guard.js'
import { unclaimed } from '../middleware/position/place.js'
import { requireRegistered, requireRole } from '../middleware/require.js'
import { throttle } from '../middleware/throttle.js'
import { debounceOf, type Layer, type Resolved, resolve, throttlesOf, usualOf } from './layers.js'
import { noteGiven } from './names.js'
import { checkName, type Policy, type PolicyOptions, type PolicyOverride } from './policy-options.js'

/**
 * The named policies of a sentinel. Names are kept in a Map, so a name such as `__proto__` finds nothing.
 */
export class PolicyBook implements PolicyNames {
  private readonly policies: ReadonlyMap<string, PolicyOptions>
  /** The guards of each policy without overrides, created once and reused. */
  private readonly made = new Map<string, readonly GuardDefinition[]>()

  /**
   * @throws SentinelError `policy.unknown` if a policy extends an unknown one, `policy.cycle` if it extends itself,
   * `option.invalid`, and the errors of its parts.
   */
  constructor(policies: Readonly<Record<string, PolicyOptions>> = {}) {
    this.policies = new Map(Object.entries(policies))
    for (const [name, options] of this.policies) {
      checkName(name, `policies.${name}`)
      if (options.name !== undefined && options.name !== name) {
        throw new SentinelError(
          'option.invalid',
          `policies.${name}: this is the policy ${shown(options.name)}. List it under its own name, or define another.`,
        )
      }
      this.definitionsOf(name, undefined)
    }
    noteGiven(this.policies.keys())
  }

  get names(): readonly string[] {
    return [...this.policies.keys()]
  }

  definitionsOf(name: string, own: object | undefined): readonly GuardDefinition[] {
    const known = own === undefined ? this.made.get(name) : undefined
    if (known !== undefined) return known
    const definitions = definitionsOf(this.resolved(name, own))
    if (own === undefined) this.made.set(name, definitions)
    return definitions
  }

  /**
   * Merges a policy with all policies it extends and with the overrides of a handler.
   *
   * @throws SentinelError `policy.unknown`, `policy.cycle`.
   */
  resolved(policy: string | Policy, own?: PolicyOverride | undefined): Resolved {
    const name = typeof policy === 'string' ? policy : policy.name
    const layers = this.layersOf(policy, [], 'policy')
    return resolve(name, own === undefined ? layers : [...layers, { from: 'handler', options: own }])
  }

  /** Returns the layers of a policy, base policy first. */
  private layersOf(policy: string | Policy, way: readonly string[], what: string): readonly Layer[] {
    const name = typeof policy === 'string' ? policy : policy.name
    const options = typeof policy === 'string' ? this.policies.get(policy) : policy
    if (options === undefined) throw unknownPolicy(what, name, this.names)
    if (way.includes(name)) {
      const circle = [...way.slice(way.indexOf(name)), name]
      throw new SentinelError(
        'policy.cycle',
        `policies.${name}.extends: it extends itself: ${circle.join(' → ')}. Remove one of these links.`,
      )
    }
    const under =
      options.extends === undefined
        ? []
        : this.layersOf(options.extends, [...way, name], `policies.${name}.extends`)
    return [...under, { from: `policy ${name}`, options }]
  }
}

/** The error for an unknown policy, suggesting the name that was probably meant. */
export function unknownPolicy(what: string, name: unknown, known: readonly string[]): SentinelError {
  const list =
    known.length === 0
      ? ' No sentinel upstream defines any: sentinel({ policies: { … } }).'
      : ` Policies: ${known.join(', ')}.`
  return new SentinelError(
    'policy.unknown',
    `${what}: there is no policy ${shown(name)}.${hintAt(name, known)}${list}`,
  )
}

/**
 * Makes the guards of a policy, in the order in which they decide: roles, registration, debounce, limits.
 *
 * @throws SentinelError naming the invalid part.
 */
export function definitionsOf(resolved: Resolved): readonly GuardDefinition[] {
  const { name, parts } = resolved
  const usual = usualOf(parts)
  const definitions: GuardDefinition[] = []
  const [role, ...roles] = (parts.get('roles')?.value ?? []) as readonly string[]
  const debounced = debounceOf(resolved)
  try {
    // unclaimed(), because guards are also made at run time, and must not take names from guards that the developer wires.
    unclaimed(() => {
      if (role !== undefined) definitions.push(...requireRole(role, ...roles, usual).definitions)
      if (parts.get('registered')?.value === true) definitions.push(...requireRegistered(usual).definitions)
      if (debounced !== undefined) definitions.push(...debounce(debounced).definitions)
      for (const limit of throttlesOf(resolved)) definitions.push(...throttle(limit).definitions)
    })
  } catch (error) {
    throw located(`policy ${name}`, error)
  }
  // Some errors appear only when the guard is wired, such as an unknown role.
  return definitions.map((definition) => ({
    ...definition,
    wire(wiring) {
      try {
        return definition.wire(wiring)
      } catch (error) {
        throw located(`policy ${name}`, error)
      }
    },
  }))
}
