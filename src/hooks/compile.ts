import { type Ms, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { hintAt } from '../core/nearest.js'
import { shown } from '../core/show.js'
import { refuseAsync } from '../core/unawaited.js'
import type { Hook, HookFunction } from './hook.js'

const TIMEOUT: Ms = 1000
const MOST_NAME = 64
const SPEC = ['run', 'name', 'timeout'] as const
/** Deepest nesting; anything deeper is taken for a cycle. */
const DEEPEST = 32

/** One hook function, ready to run. */
export interface Leaf {
  readonly kind: 'leaf'
  readonly run: HookFunction<unknown>
  readonly name: string
  readonly timeout: Ms
}

/** A checked hook. */
export type Node =
  | Leaf
  | { readonly kind: 'chain' | 'parallel'; readonly nodes: readonly Node[] }
  | { readonly kind: 'once'; readonly node: Node; readonly of: object }
  | {
      readonly kind: 'filter'
      readonly when: (told: unknown) => boolean
      readonly name: string
      readonly node: Node
    }
  | { readonly kind: 'background'; readonly node: Node; readonly name: string }

/**
 * Checks a hook and compiles it into a tree of nodes.
 *
 * @param usual Name for functions that have none.
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`, naming the point.
 */
export function compile(hook: Hook<never>, point: string, usual: string, depth = 0): Node {
  const given: unknown = hook
  if (depth > DEEPEST) throw wrong(point, given, 'nests hooks more than 32 deep')
  if (typeof given === 'function')
    return leafOf(given as HookFunction<unknown>, undefined, undefined, usual, point)
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrong(point, given)
  const part = (inner: unknown): Node => compile(inner as Hook<never>, point, usual, depth + 1)
  const tree = given as Readonly<Record<string, unknown>>
  switch (tree.kind) {
    case undefined:
      return specOf(tree, usual, point)
    case 'chain':
    case 'parallel': {
      if (!Array.isArray(tree.hooks)) throw wrong(point, given)
      return { kind: tree.kind, nodes: tree.hooks.map(part) }
    }
    case 'once':
      return { kind: 'once', node: part(tree.hook), of: given }
    case 'filter': {
      if (typeof tree.when !== 'function')
        throw wrong(point, tree.when, 'is not a condition; it must be a function')
      refuseAsync(tree.when, `hooks.${point}`)
      const when = tree.when as (told: unknown) => boolean
      return { kind: 'filter', when, name: nameOf(when, 'filter'), node: part(tree.hook) }
    }
    case 'background':
      return { kind: 'background', node: part(tree.hook), name: usual }
    default:
      throw wrong(point, given)
  }
}

function specOf(spec: Readonly<Record<string, unknown>>, usual: string, point: string): Leaf {
  for (const key of Object.keys(spec)) {
    if ((SPEC as readonly string[]).includes(key)) continue
    throw new SentinelError(
      'option.unknown',
      `hooks.${point}: there is no ${shown(key)}.${hintAt(key, SPEC)} Options: ${SPEC.join(', ')}.`,
    )
  }
  const { run, name, timeout } = spec
  if (typeof run !== 'function') throw wrong(point, run, 'is not a "run"; it must be a function')
  if (name !== undefined && (typeof name !== 'string' || name === '' || name.length > MOST_NAME)) {
    throw wrong(point, name, `is not a name; it must be a text of 1 to ${MOST_NAME} characters`)
  }
  return leafOf(run as HookFunction<unknown>, name, timeout, usual, point)
}

function leafOf(
  run: HookFunction<unknown>,
  name: string | undefined,
  timeout: unknown,
  usual: string,
  point: string,
): Leaf {
  const ms = timeout === undefined ? TIMEOUT : parseDuration(timeout as number, `hooks.${point}.timeout`)
  if (ms < 1) throw wrong(point, timeout, 'is not a timeout; it must be 1 ms or more')
  return { kind: 'leaf', run, name: name ?? nameOf(run, usual), timeout: ms }
}

/** Returns the name of a function. Anonymous functions, and those named `run` after their property, get the usual name. */
function nameOf(given: { readonly name: string }, usual: string): string {
  const { name } = given
  return typeof name === 'string' && name !== '' && name !== 'run' ? name.slice(0, MOST_NAME) : usual
}

function wrong(
  point: string,
  given: unknown,
  why = 'is not a hook; pass a function, { run, name, timeout }, or the result of hooks.chain() and the like',
): SentinelError {
  return new SentinelError('option.invalid', `hooks.${point}: ${shown(given)} ${why}.`)
}
