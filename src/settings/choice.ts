import type { Limit } from '../core/limit.js'
import type { Tunable, Tuning } from './settings-options.js'

/**
 * What a button of the menu asks for. It names the resulting state, so tapping twice or tapping in an outdated menu is harmless.
 */
export type Choice =
  | { readonly kind: 'limit'; readonly tunable: Tunable; readonly to: Limit | undefined }
  | { readonly kind: 'notices'; readonly on: boolean }
  | { readonly kind: 'close' }

/** Returns the callback data of a button, at most 64 bytes. It names no chat: it always applies to the chat where it is tapped. */
export function dataOf(command: string, choice: Choice): string {
  switch (choice.kind) {
    case 'limit': {
      const to = choice.to === undefined ? '-' : numbersOf(choice.to)
      return `${command}:l:${digest(choice.tunable.name)}:${to}`
    }
    case 'notices':
      return `${command}:n:${choice.on ? 1 : 0}`
    case 'close':
      return `${command}:x`
  }
}

/** The part of the callback data after the command. */
const SHAPE = /^:(x|n:[01]|l:\w+:[-.\w]+)$/

/** Whether callback data belongs to this menu. Other buttons of the bot may begin with the same word, and clients can forge data. */
export function isOfMenu(command: string, data: unknown): data is string {
  return typeof data === 'string' && data.startsWith(command) && SHAPE.test(data.slice(command.length))
}

/** Returns the choice in callback data; undefined if the menu does not offer it, because it is forged or options have changed. */
export function choiceIn({ command, limits, notices }: Tuning, data: string): Choice | undefined {
  const [, kind, first, second, ...more] = data.split(':')
  if (!isOfMenu(command, data) || more.length > 0) return undefined
  if (kind === 'x' && first === undefined) return { kind: 'close' }
  if (kind === 'n' && notices && second === undefined && (first === '0' || first === '1')) {
    return { kind: 'notices', on: first === '1' }
  }
  if (kind !== 'l' || second === undefined) return undefined
  const tunable = [...limits.values()].find(({ name }) => digest(name) === first)
  if (tunable === undefined) return undefined
  if (second === '-') return { kind: 'limit', tunable, to: undefined }
  // Only limits that have a button are taken, so the bounds need no check here.
  const to = tunable.choices.find((each) => numbersOf(each) === second)
  return to === undefined ? undefined : { kind: 'limit', tunable, to }
}

/** Encodes a limit in at most 17 characters; the burst only if it differs from the amount. */
function numbersOf({ amount, per, burst = amount }: Limit): string {
  const numbers = burst === amount ? [amount, per] : [amount, per, burst]
  return numbers.map((each) => each.toString(36)).join('.')
}

/**
 * FNV-1a hash of 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/) in at most 7 characters. Names may have 64 characters, too
 * many for callback data, and an index would be wrong once the order of limits changes.
 */
function digest(name: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36)
}
