import type { Context } from 'grammy'
import { throttle } from 'grammy-sentinel'

/*
 * Decorators of other libraries that store something on the decorated function, above and below guards. `other-decorators.test.ts`
 * has this file compiled by every compiler and in every mode.
 */

const metadata = new WeakMap<object, readonly string[]>()

/** Reads metadata as `Reflect.getMetadata()` of reflect-metadata does: also that of the object's prototypes. */
export function rolesOf(given: object): readonly string[] {
  for (let at: object | null = given; at !== null; at = Object.getPrototypeOf(at)) {
    const own = metadata.get(at)
    if (own !== undefined) return own
  }
  return []
}

/** Adds metadata to the method's function, as `@UseGuards()` of NestJS does. */
export function needs(role: string) {
  return (first: unknown, _second: unknown, third?: PropertyDescriptor): void => {
    const method = (third?.value ?? first) as object
    metadata.set(method, [...rolesOf(method), role])
  }
}

/** Sets a property of the method's function. */
export function help(text: string) {
  return (first: unknown, _second: unknown, third?: PropertyDescriptor): void => {
    Object.assign((third?.value ?? first) as object, { help: text })
  }
}

export class Desk {
  @needs('owner')
  @throttle('1/1m')
  @help('Bans a user.')
  @needs('admin')
  @throttle('9/1h')
  async ban(_ctx: Context): Promise<void> {}
}
