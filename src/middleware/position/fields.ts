import { type AnyHandler, around, checkedHandler, type Guards, guardsOf, layerAround } from './guarded.js'
import type { Layer } from './layer.js'
import { memberName, nameOfKey } from './place.js'

type Key = string | symbol

/** Guards on a field of a class. Every instance holds a function of its own in it; all of them share the guards' state. */
export class FieldGuard {
  private made: { readonly inner: Layer | undefined; readonly layer: Layer } | undefined

  constructor(
    private readonly guards: Guards,
    private readonly key: Key,
  ) {}

  /** @param owner The class that declares the field, as far as it is known. */
  around(given: unknown, owner: unknown): AnyHandler {
    const name = memberName(owner, this.key)
    const handler = checkedHandler(given, `${this.guards.label} on ${name}`)
    const inner = guardsOf(handler)
    if (this.made === undefined || this.made.inner !== inner) {
      this.made = { inner, layer: layerAround(this.guards, handler, nameOfKey(this.key)) }
    }
    const { layer } = this.made
    layer.place?.settle(name)
    return around(layer, handler)
  }

  /** Whether these are the guards nearest to a function. */
  isAround(handler: AnyHandler): boolean {
    return this.made !== undefined && guardsOf(handler) === this.made.layer
  }
}

/** Fields that guards of the standard stand on, by instance; by class for what is static. */
const guardedFields = new WeakMap<object, Set<Key>>()

export function noteGuardedField(owner: object, key: Key): void {
  const keys = guardedFields.get(owner) ?? new Set()
  guardedFields.set(owner, keys.add(key))
}

/** Whether guards stood on a field of an instance, whatever it holds by now. */
export function isGuardedField(instance: object, key: Key): boolean {
  return guardedFields.get(instance)?.has(key) === true
}

/** Fields under `experimentalDecorators`, by the prototype of their class: a decorator is told of them, but not what they hold. */
const waiting = new WeakMap<object, Map<Key, FieldGuard[]>>()

/**
 * A decorator as `experimentalDecorators` calls it: with the prototype, or the class for what is static. What it gives is defined
 * in place of what there was.
 *
 * A field has no value yet. Where fields are assigned (`useDefineForClassFields: false`), a setter on the prototype sees it come;
 * where they are defined, nothing does, and {@link guardFields} sees to it.
 */
export function legacyDecorated(
  guards: Guards,
  target: object,
  key: Key,
  given: PropertyDescriptor | undefined,
): PropertyDescriptor | undefined {
  const fields = waiting.get(target)?.get(key)
  if (fields !== undefined) {
    fields.push(new FieldGuard(guards, key))
    return given
  }
  const owner = ownerOf(target)
  const what = `${guards.label} on ${memberName(owner, key)}`
  // A static field has its value by now.
  const held = given ?? Object.getOwnPropertyDescriptor(target, key)
  if (held === undefined) return fieldOf(new FieldGuard(guards, key), target, key)
  if ('initializer' in held) return withInitializer(held, new FieldGuard(guards, key), owner)
  const method = checkedHandler(held.value, what)
  const layer = layerAround(guards, method, nameOfKey(key))
  layer.place?.settle(memberName(owner, key))
  return { ...held, value: around(layer, method) }
}

function fieldOf(guard: FieldGuard, target: object, key: Key): PropertyDescriptor {
  const guards = [guard]
  const fields = waiting.get(target) ?? new Map<Key, FieldGuard[]>()
  waiting.set(target, fields.set(key, guards))
  return {
    configurable: true,
    set(this: object, value: unknown) {
      let held = guarded(value, guards, ownerOf(target))
      // A class that extends this one, and the class itself, may assign again.
      Object.defineProperty(this, key, {
        enumerable: true,
        configurable: true,
        get: () => held,
        set: (other: unknown) => {
          held = isAroundAlready(guards, other) ? other : guarded(other, guards, ownerOf(target))
        },
      })
    },
  }
}

/** Babel's own form of it: what a field will hold comes from a function of the descriptor. */
function withInitializer(held: PropertyDescriptor, guard: FieldGuard, owner: unknown): PropertyDescriptor {
  const { initializer } = held as { initializer?: (this: unknown) => unknown }
  const own = {
    initializer(this: unknown) {
      return guard.around(initializer?.call(this), owner)
    },
  }
  return { ...held, ...own }
}

/** Puts the guards of decorated fields around what an instance holds in them, where that could not be done before. Twice is as once. */
export function guardFields(instance: object): void {
  const done = new Set<Key>()
  for (let at = Object.getPrototypeOf(instance); at !== null; at = Object.getPrototypeOf(at)) {
    for (const [key, guards] of waiting.get(at) ?? []) {
      const held = Object.getOwnPropertyDescriptor(instance, key)
      // A field that overrides another has guards of its own.
      if (done.has(key)) continue
      done.add(key)
      // What has a setter is guarded by it.
      if (held?.value === undefined || isAroundAlready(guards, held.value)) continue
      Object.defineProperty(instance, key, { ...held, value: guarded(held.value, guards, ownerOf(at)) })
    }
  }
}

function isAroundAlready(guards: readonly FieldGuard[], value: unknown): boolean {
  return typeof value === 'function' && guards.at(-1)?.isAround(value as AnyHandler) === true
}

/** The guards nearest to the field were applied first. */
function guarded(value: unknown, guards: readonly FieldGuard[], owner: unknown): unknown {
  return guards.reduce((held, guard) => guard.around(held, owner), value)
}

/** Names the place of a method after the class that declares it, when an instance of it, or of a class that extends it, is made. */
export function settleMember(layer: Layer, self: unknown, key: Key, isStatic: boolean): void {
  const { place } = layer
  if (place === undefined || place.isSettled) return
  // Some compilers give a class its name after its static members.
  if (isStatic) place.suggest(() => memberName(self, key))
  else place.settle(memberName(declaring(self, key, layer), key))
}

function declaring(self: unknown, key: Key, { place }: Layer): unknown {
  let last: unknown
  for (let at = Object.getPrototypeOf(self); at !== null; at = Object.getPrototypeOf(at)) {
    const held: unknown = Object.getOwnPropertyDescriptor(at, key)?.value
    if (typeof held !== 'function') continue
    last = at.constructor
    if (guardsOf(held as AnyHandler)?.place === place) return last
  }
  // A decorator of others stands around ours: the first to declare a method of that name.
  return last
}

function ownerOf(target: object): unknown {
  return typeof target === 'function' ? target : target.constructor
}
