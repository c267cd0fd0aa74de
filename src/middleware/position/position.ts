import type { Context, NextFunction } from 'grammy'
import { SentinelError } from '../../core/errors.js'
import { FieldGuard, legacyDecorated, noteGuardedField, settleMember } from './fields.js'
import { type AnyHandler, around, checkedHandler, type Guards, guardHandler, layerAround } from './guarded.js'
import { nameOfKey } from './place.js'

/**
 * Applies a guard in a position other than middleware: around a handler, or as a decorator of a class member, standard or under
 * `experimentalDecorators`. The position is recognised by the arguments.
 *
 * @throws SentinelError `handler.invalid` where a guard cannot be applied.
 */
export function positioned(guards: Guards, first: unknown, second: unknown, third: unknown): unknown {
  if (typeof second === 'string' || typeof second === 'symbol') {
    return legacyDecorated(guards, first as object, second, third as PropertyDescriptor | undefined)
  }
  if (isDecoration(second)) return decorated(guards, first, second)
  const given = isComposer(first) ? handlerOf(first) : first
  return guardHandler(guards, checkedHandler(given, guards.label))
}

interface Decoration {
  readonly kind: string
  readonly name: string | symbol
  readonly static?: boolean
  readonly private?: boolean
  addInitializer(initializer: (this: object) => void): void
}

function decorated(guards: Guards, value: unknown, context: Decoration): unknown {
  const { kind, name, static: isStatic = false } = context
  const what = `${guards.label} on ${nameOfKey(name ?? 'a class')}`
  if (kind === 'field') {
    const field = new FieldGuard(guards, name)
    return function (this: object, held: unknown): AnyHandler {
      noteGuardedField(this, name)
      return field.around(held, isStatic ? this : this.constructor)
    }
  }
  if (kind !== 'method') {
    throw new SentinelError(
      'handler.invalid',
      `${what}: it decorates a ${kind}, which handles no updates. Put it on a method, or on a field that holds a function.`,
    )
  }
  const method = checkedHandler(value, what)
  const layer = layerAround(guards, method, nameOfKey(name))
  // The class of a private method cannot be found out, so its place is named now.
  if (context.private === true) layer.place?.settle()
  else {
    context.addInitializer(function () {
      settleMember(layer, this, name, isStatic)
    })
  }
  return around(layer, method)
}

function isDecoration(given: unknown): given is Decoration {
  return typeof given === 'object' && given !== null && 'kind' in given && 'addInitializer' in given
}

interface ComposerLike {
  middleware(): (ctx: Context, next: NextFunction) => unknown
}

function isComposer(given: unknown): given is ComposerLike {
  return typeof given === 'object' && given !== null && 'middleware' in given
}

function handlerOf(composer: ComposerLike): AnyHandler {
  return function composed(ctx: Context, next: NextFunction): unknown {
    return composer.middleware()(ctx, next)
  }
}
