import type { Limit } from '../core/limit.js'
import type { Tunable, Tuning } from './settings-options.js'

/**
 * What a button of the menu asks for. It says what is to be, not what to change: tapped twice, or on an old menu, it does the same.
 */
export type Choice =
  | { readonly kind: 'limit'; readonly tunable: Tunable; readonly to: Limit | undefined }
  | { readonly kind: 'notices'; readonly on: boolean }
  | { readonly kind: 'close' }

/** The callback data of a button: 64 bytes at most, and no chat, so that it can mean none but the one it is tapped in. */
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

/** What follows the command in data of ours. */
const SHAPE = /^:(x|n:[01]|l:\w+:[-.\w]+)$/

/** Whether a button is of this menu: others of the bot may begin with the same word. Anybody can send any data. */
export function isOfMenu(command: string, data: unknown): data is string {
  return typeof data === 'string' && data.startsWith(command) && SHAPE.test(data.slice(command.length))
}

/** What is asked for; undefined for what is not offered, be it forged or from before options changed. */
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

/** A limit in 17 characters at most; its burst where that is another number than its amount. */
function numbersOf({ amount, per, burst = amount }: Limit): string {
  const numbers = burst === amount ? [amount, per] : [amount, per, burst]
  return numbers.map((each) => each.toString(36)).join('.')
}

/**
 * FNV-1a of 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/), as 7 characters at most: names are up to 64, and limits may change places.
 */
function digest(name: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36)
}
