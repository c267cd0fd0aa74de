import { shown } from '../matchers/containing.js'

/** Describes the first place where two JSON values differ; undefined if they are equal. */
export function differenceOf(recorded: unknown, made: unknown, path = ''): string | undefined {
  if (Object.is(recorded, made)) return undefined
  const here = path === '' ? 'as a whole' : path
  if (recorded === undefined) return `${here} is ${shown(made)}, and was not there`
  if (made === undefined) return `${here} is not there, and was ${shown(recorded)}`
  if (!isComposed(recorded) || !isComposed(made) || Array.isArray(recorded) !== Array.isArray(made))
    return `${here} is ${shown(made)}, and was ${shown(recorded)}`
  for (const name of new Set([...Object.keys(recorded), ...Object.keys(made)])) {
    const inner = Array.isArray(recorded) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`
    const difference = differenceOf(own(recorded, name), own(made, name), inner)
    if (difference !== undefined) return difference
  }
  return undefined
}

function isComposed(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function own(value: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined
}
