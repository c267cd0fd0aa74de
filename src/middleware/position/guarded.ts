import type { Context, NextFunction } from 'grammy'
import { SentinelError } from '../../core/errors.js'
import { shown } from '../../core/show.js'
import { Questions } from '../chain/wiring.js'
import type { GuardDefinition } from '../guard.js'
import { createServices } from '../services.js'
import { POLICIES_TO_COME } from '../throttle/runtime-limits.js'
import { Layer, type OwnServices } from './layer.js'
import { Place } from './place.js'

/** A function as it is called: with an update, maybe with more, as a method or not. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the developer's function takes is handed on to it.
export type AnyHandler = (this: any, ...args: any[]) => any

/** A handler behind guards. */
interface Guarded {
  /** The developer's own function. */
  readonly handler: AnyHandler
  /** What the guards were put around: the handler, or one that is guarded already. */
  readonly inner: AnyHandler
  readonly layer: Layer
}

/** Guards that are to be put around something, and how they are called together where nothing else has a name. */
export interface Guards {
  readonly definitions: readonly GuardDefinition[]
  readonly own: OwnServices | undefined
  readonly label: string
  /** What the developer calls them: goes before what the handler is called. */
  readonly name: string | undefined
}

const guarded = new WeakMap<AnyHandler, Guarded>()

/** The guards nearest to a function that is guarded. */
export function guardsOf(handler: AnyHandler): Layer | undefined {
  return guarded.get(handler)?.layer
}

/** What guards were put around, from the outside in: each function, down to the developer's own. */
export function layersOf(handler: AnyHandler): readonly AnyHandler[] {
  const all = [handler]
  for (let each = guarded.get(handler); each !== undefined; each = guarded.get(each.inner))
    all.push(each.inner)
  return all
}

/**
 * Puts guards around a handler: a function of the same name and arity that calls it with the same `this`, if they let the
 * update pass. Guards that are around it already become one plan with these, asked after them.
 *
 * @param usual Of a member of a class, whose full name is not known yet: what it is called if it never is.
 */
export function guardHandler(guards: Guards, inner: AnyHandler, usual?: string): AnyHandler {
  return around(layerAround(guards, inner, usual), inner)
}

/** The layer that guards make around a handler. */
export function layerAround(guards: Guards, inner: AnyHandler, usual?: string): Layer {
  const known = guarded.get(inner)?.layer
  // One that counts in a storage of its own cannot be asked together with others.
  const joined = known?.own === guards.own ? known : undefined
  const definitions = [...guards.definitions, ...(joined?.definitions ?? [])]
  checkTogether(definitions, 'handler')
  const place = placeAround(joined, inner, guards, usual)
  const depth = ++place.depth
  // A layer that an outer one has taken over is hardly ever called by itself. If it is, it must not share state with other checks, so its
  // name differs.
  const layer: Layer = new Layer(
    definitions,
    () => (place.top === layer ? place.name : `${place.name}/${depth}`),
    place,
    guards.own,
  )
  place.top = layer
  return layer
}

/** Puts a layer around a handler; the handler inside its own guards is what it calls. */
export function around(layer: Layer, inner: AnyHandler): AnyHandler {
  const known = guarded.get(inner)
  const handler = known !== undefined && known.layer.own === layer.own ? known.handler : inner
  const run = function (this: unknown, ctx: Context, next?: NextFunction, ...rest: unknown[]): unknown {
    return layer.run(ctx, () => handler.call(this, ctx, next, ...rest) as Promise<void>)
  }
  guarded.set(run, { handler, inner, layer })
  return disguised(run, inner)
}

/** The same function to whoever looks at it: name, arity, and a `bind` whose result is known to be guarded. */
function disguised(run: AnyHandler, inner: AnyHandler): AnyHandler {
  return Object.defineProperties(run, {
    name: { value: inner.name, configurable: true },
    length: { value: inner.length, configurable: true },
    bind: { value: bind, configurable: true, writable: true },
  })
}

function bind(this: AnyHandler, self: unknown, ...args: unknown[]): AnyHandler {
  const bound: AnyHandler = Function.prototype.bind.call(this, self, ...args)
  const known = guarded.get(this)
  // A function with bound arguments is no handler any more, though it is guarded as before.
  if (known === undefined || args.length > 0) return bound
  const handler: AnyHandler = known.handler.bind(self)
  guarded.set(bound, { handler, inner: this, layer: known.layer })
  return Object.defineProperty(bound, 'bind', { value: bind, configurable: true, writable: true })
}

/** The place of the guards that are joined, unless it is called otherwise now, others have taken it over, or it has been used. */
function placeAround(
  joined: Layer | undefined,
  inner: AnyHandler,
  { label, name }: Guards,
  usual: string | undefined,
): Place {
  // At once: in the order of wiring, not in the order in which people come.
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

/** Wired once for nothing: what does not fit together is told where it is written, and not by the first update. */
export function checkTogether(definitions: readonly GuardDefinition[], place?: string): void {
  new Questions({ ...createServices({}), policies: POLICIES_TO_COME }, definitions, place)
}

export function checkedHandler(given: unknown, what: string): AnyHandler {
  if (typeof given === 'function') return given as AnyHandler
  throw new SentinelError(
    'handler.invalid',
    `${what}: ${shown(given)} is no handler. Pass a function of the context.`,
  )
}
