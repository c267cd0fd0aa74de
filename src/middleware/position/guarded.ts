import type { Context, NextFunction } from 'grammy'
import { SentinelError } from '../../core/errors.js'
import { shown } from '../../core/show.js'
import { ChainPlan } from '../chain/chain-plan.js'
import { type GuardDefinition, POLICIES_TO_COME } from '../guard.js'
import { createServices } from '../services.js'
import { Layer, labelOf, type OwnServices } from './layer.js'
import { Place } from './place.js'

/** A handler as it is called: with a context, possibly more arguments, as a method or not. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the developer's function takes is handed on to it.
export type AnyHandler = (this: any, ...args: any[]) => any

/** A handler with guards. */
interface Guarded {
  /** The developer's own function. */
  readonly handler: AnyHandler
  /** What the guards were applied to: the handler, or a function that is already guarded. */
  readonly inner: AnyHandler
  readonly layer: Layer
}

/** Guards to be applied to a function, and their common name if nothing else has one. */
export interface Guards {
  readonly definitions: readonly GuardDefinition[]
  readonly own: OwnServices | undefined
  readonly label: string
  /** The developer's name for them, which is put before the handler's name. */
  readonly name: string | undefined
}

const guarded = new WeakMap<AnyHandler, Guarded>()

/** Returns the outermost guards of a guarded function. */
export function guardsOf(handler: AnyHandler): Layer | undefined {
  return guarded.get(handler)?.layer
}

/** Returns the functions that guards were applied to, from the outside in, down to the developer's own. */
export function layersOf(handler: AnyHandler): readonly AnyHandler[] {
  const all = [handler]
  for (let each = guarded.get(handler); each !== undefined; each = guarded.get(each.inner))
    all.push(each.inner)
  return all
}

/**
 * Applies guards to a handler. Returns a function of the same name and arity that calls the handler with the same `this` if the
 * guards admit the update. Guards that the handler already has are joined into one plan with these, after them.
 */
export function guardHandler(guards: Guards, inner: AnyHandler): AnyHandler {
  return around(layerAround(guards, inner, undefined), inner)
}

/**
 * Creates the layer of guards around a handler.
 *
 * @param usual For a class member whose full name is not known yet: the name if it never becomes known.
 */
export function layerAround(guards: Guards, inner: AnyHandler, usual: string | undefined): Layer {
  const known = guarded.get(inner)?.layer
  // Guards with a storage of their own cannot be asked together with others.
  const joined = known?.own === guards.own ? known : undefined
  const definitions = [...guards.definitions, ...(joined?.definitions ?? [])]
  checkTogether(definitions, 'handler')
  const place = placeAround(joined, inner, guards, usual)
  const depth = ++place.depth
  // A layer that was joined into an outer one is hardly ever called directly. If it is, it must not share state with the outer
  // layer, so its name differs.
  const layer: Layer = new Layer(
    definitions,
    () => (place.top === layer ? place.name : `${place.name}/${depth}`),
    place,
    guards.own,
  )
  place.top = layer
  return layer
}

/** Puts a layer around a handler. It calls the function inside the handler's previous guards, which the layer has taken over. */
export function around(layer: Layer, inner: AnyHandler): AnyHandler {
  const known = guarded.get(inner)
  const handler = known !== undefined && known.layer.own === layer.own ? known.handler : inner
  const run = function (this: unknown, ctx: Context, next?: NextFunction, ...rest: unknown[]): unknown {
    if (ctx?.me === undefined) throw notContext(layer, handler)
    return layer.run(ctx, () => handler.call(this, ctx, next, ...rest) as Promise<void>)
  }
  guarded.set(run, { handler, inner, layer })
  return disguised(run, inner)
}

/** For functions that are called with something else, which types forbid: the builder of a conversation takes a `Conversation` first. */
function notContext({ definitions }: Layer, { name }: AnyHandler): SentinelError {
  return new SentinelError(
    'handler.invalid',
    `${labelOf(definitions)} around ${name || 'a handler'}: it was called without a context. To guard a conversation, put the guard in front of the handler that enters it.`,
  )
}

/**
 * Makes the guarded function look like the original: same name and arity, and a `bind` whose result is known to be guarded.
 *
 * The original becomes its prototype. So whatever other decorators stored on the original is found on the guarded function, too:
 * properties, and metadata, which reflect-metadata looks up along the prototypes. NestJS keeps the guards of `@UseGuards()` there.
 */
function disguised(run: AnyHandler, inner: AnyHandler): AnyHandler {
  return Object.defineProperties(Object.setPrototypeOf(run, inner), {
    name: { value: inner.name, configurable: true },
    length: { value: inner.length, configurable: true },
    bind: { value: bind, configurable: true, writable: true },
    // If the original is itself a guard, `compose()` must not take the guarded function for that guard.
    definitions: { value: undefined, configurable: true, writable: true },
    // An async function returns a promise, but the guarded one returns nothing if the update is refused.
    constructor: { value: Function, configurable: true, writable: true },
    [Symbol.toStringTag]: { value: 'Function', configurable: true },
  })
}

function bind(this: AnyHandler, self: unknown, ...args: unknown[]): AnyHandler {
  const bound: AnyHandler = Function.prototype.bind.call(this, self, ...args)
  const known = guarded.get(this)
  // With bound arguments the function is no longer a handler, but it is still guarded.
  if (known === undefined || args.length > 0) return bound
  const handler: AnyHandler = known.handler.bind(self)
  guarded.set(bound, { handler, inner: this, layer: known.layer })
  return Object.defineProperty(bound, 'bind', { value: bind, configurable: true, writable: true })
}

/** Returns the place of the joined guards, unless it has a new name, belongs to other guards by now, or has been used. */
function placeAround(
  joined: Layer | undefined,
  inner: AnyHandler,
  { label, name }: Guards,
  usual: string | undefined,
): Place {
  // Claims the name at once, so that names follow the order of wiring and not that of updates.
  if (name !== undefined) return settled(name)
  const place = joined?.place
  if (joined !== undefined && place !== undefined && place.top === joined && !joined.isUsed) return place
  if (usual !== undefined) return new Place(usual)
  return settled(inner.name.replace(/^bound /, '') || `handler (${label})`)
}

function settled(name: string): Place {
  const place = new Place(name)
  place.settle()
  return place
}

/**
 * Wires definitions once as a test, so that guards that do not fit together throw where they are written and not at the first
 * update.
 */
export function checkTogether(definitions: readonly GuardDefinition[], place?: string): void {
  new ChainPlan({ ...createServices({}), policies: POLICIES_TO_COME }, definitions, place)
}

export function checkedHandler(given: unknown, what: string): AnyHandler {
  if (typeof given === 'function') return given as AnyHandler
  throw new SentinelError(
    'handler.invalid',
    `${what}: ${shown(given)} is not a handler. Pass a function of the context.`,
  )
}
