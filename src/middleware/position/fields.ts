import { type AnyHandler, around, checkedHandler, type Guards, guardsOf, layerAround } from './guarded.js'
import type { Layer } from './layer.js'
import { memberName, nameOfKey } from './place.js'

type Key = string | symbol

/** Guards on a field of a class. Each instance has its own function in the field, and all instances share the guards' state. */
export class FieldGuard {
  private made: { readonly inner: Layer | undefined; readonly layer: Layer } | undefined

  constructor(
    private readonly guards: Guards,
    private readonly key: Key,
  ) {}

  /** @param owner The class that declares the field, if known. */
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

  /** Whether these guards were the last ones applied to a function. */
  isAround(handler: AnyHandler): boolean {
    return this.made !== undefined && guardsOf(handler) === this.made.layer
  }
}

/** Fields with standard decorators, by instance; static fields by class. */
const guardedFields = new WeakMap<object, Set<Key>>()

export function noteGuardedField(owner: object, key: Key): void {
  const keys = guardedFields.get(owner) ?? new Set()
  guardedFields.set(owner, keys.add(key))
}

/** Whether guards were put on a field of an instance, whatever the field holds now. */
export function isGuardedField(instance: object, key: Key): boolean {
  return guardedFields.get(instance)?.has(key) === true
}

/** Fields under `experimentalDecorators`, by the prototype of their class: such a decorator does not see the field's value. */
const waiting = new WeakMap<object, Map<Key, FieldGuard[]>>()

/**
 * Applies guards as a decorator under `experimentalDecorators`: `target` is the prototype, or the class for static members. The
 * result replaces the existing property descriptor.
 *
 * A field has no value yet at that time. If fields are assigned (`useDefineForClassFields: false`), a setter on the prototype
 * receives the value; if they are defined, no setter is called, and {@link guardFields} applies the guards later.
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
  // A static field already has its value.
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
      // A subclass or the class itself may assign the field again.
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

/** Babel's variant of these decorators: the descriptor has a function that returns the field's initial value. */
function withInitializer(held: PropertyDescriptor, guard: FieldGuard, owner: unknown): PropertyDescriptor {
  const { initializer } = held as { initializer?: (this: unknown) => unknown }
  const own = {
    initializer(this: unknown) {
      return guard.around(initializer?.call(this), owner)
    },
  }
  return { ...held, ...own }
}

/** Applies the guards of decorated fields to the values of an instance where that was not possible before. Idempotent. */
export function guardFields(instance: object): void {
  const done = new Set<Key>()
  for (let at = Object.getPrototypeOf(instance); at !== null; at = Object.getPrototypeOf(at)) {
    for (const [key, guards] of waiting.get(at) ?? []) {
      const held = Object.getOwnPropertyDescriptor(instance, key)
      // A field that overrides another one has guards of its own.
      if (done.has(key)) continue
      done.add(key)
      // A field with a setter was guarded by the setter.
      if (held?.value === undefined || isAroundAlready(guards, held.value)) continue
      Object.defineProperty(instance, key, { ...held, value: guarded(held.value, guards, ownerOf(at)) })
    }
  }
}

function isAroundAlready(guards: readonly FieldGuard[], value: unknown): boolean {
  return typeof value === 'function' && guards.at(-1)?.isAround(value as AnyHandler) === true
}

/** Applies guards to a value, beginning with the guard nearest to the field. */
function guarded(value: unknown, guards: readonly FieldGuard[], owner: unknown): unknown {
  return guards.reduce((held, guard) => guard.around(held, owner), value)
}

/** Names a method's place after the class that declares it, when an instance of that class or of a subclass is created. */
export function settleMember(layer: Layer, self: unknown, key: Key, isStatic: boolean): void {
  const { place } = layer
  if (place === undefined || place.isSettled) return
  // Some compilers set the name of a class after its static members.
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
  // Another decorator wraps the guarded method, so the topmost class that declares a method of that name is used.
  return last
}

function ownerOf(target: object): unknown {
  return typeof target === 'function' ? target : target.constructor
}
