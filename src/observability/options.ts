import type { Timers } from '../core/clock.js'
import { given } from '../middleware/options/schema.js'
import type { MtprotoObserved } from './mtproto.js'

/** Whether a value is an object with all of these members. */
export function has(...names: readonly string[]): (value: unknown) => boolean {
  return (value) => typeof value === 'object' && value !== null && names.every((name) => name in value)
}

export const timersOption = given<Timers>(
  'timers: an object with after(ms, run)',
  (value) => typeof Object(value).after === 'function',
)

export const mtprotoOption = given<MtprotoObserved>(
  'a client of MTProto, such as mtproto({ … })',
  has('watch', 'counts'),
)
