import type { Composer, Context, Middleware } from 'grammy'
import { SentinelError } from '../core/errors.js'
import { isGuardedField } from '../middleware/position/fields.js'
import { type AnyHandler, checkedHandler, guardsOf, layersOf } from '../middleware/position/guarded.js'
import { nameOfKey } from '../middleware/position/place.js'
import { positionOf } from './source-order.js'

type Key = string | symbol

/** What a handler is registered for, by one registrar. */
interface Registration {
  /** Position in source order, across methods and fields, base classes first. */
  readonly order: number
  /** Such as `command:buy`. */
  readonly label: string
  register(composer: Composer<Context>, handler: Middleware): void
}

/** A member of a class, with one of its registrations. */
export interface Member {
  readonly key: Key
  readonly registration: Registration
  /** The instance, or the class of a static member, that the member belongs to; undefined under `experimentalDecorators`. */
  readonly owner?: object
  /** Returns the member's current value on an instance. Works for private members, too. */
  held(instance: object): unknown
  /** The decorated function; of a field, its initial value. Undefined if it is unknown. */
  readonly method: AnyHandler | undefined
  readonly isField: boolean
  /** The metadata object that all members of one class share, if the compiler provides it. */
  readonly metadata?: object | undefined
}

/** Members by instance, or by class if static. Standard decorators report a member each time an instance is created. */
const ofInstances = new WeakMap<object, Member[]>()
/** Members by prototype, or by class if static: `experimentalDecorators` run once for each class. */
const ofClasses = new WeakMap<object, Map<Key, LegacyMember>>()

interface LegacyMember {
  readonly registrations: readonly Registration[]
  readonly isField: boolean
}

interface Decoration {
  readonly kind: string
  readonly name: Key
  readonly static?: boolean
  readonly private?: boolean
  readonly metadata?: object
  readonly access: { get(this: unknown, instance: unknown): unknown }
  addInitializer(initializer: (this: object) => void): void
}

/** Handles the call of a registrar as a decorator, standard or under `experimentalDecorators`. */
export function register(
  registration: Registration,
  first: unknown,
  second: unknown,
  third: unknown,
): ((this: object, held: unknown) => unknown) | undefined {
  const what = `@${registration.label}`
  if (typeof second === 'string' || typeof second === 'symbol') {
    registerLegacy(registration, first as object, second, third as PropertyDescriptor | undefined)
    return undefined
  }
  if (!isDecoration(second) || (second.kind !== 'method' && second.kind !== 'field')) {
    const kind = isDecoration(second) ? `a ${second.kind}` : 'something other than a class member'
    throw misplaced(what, kind)
  }
  const { kind, name: key, access, metadata, static: isStatic = false, private: isPrivate = false } = second
  const placed = { ...registration, order: positionOf(registration.order, `${kind} ${isStatic}`, key) }
  const method = second.kind === 'method' ? checkedHandler(first, what) : undefined
  /** Initial values of the field, by instance. */
  const given = new WeakMap<object, unknown>()
  // Older compilers expect the instance as `this` instead of as an argument.
  const held = (instance: object): unknown =>
    isPrivate ? access.get.call(instance, instance) : Reflect.get(instance, key)
  second.addInitializer(function () {
    const members = ofInstances.get(this) ?? []
    // With standard decorators the field already has its final value here, other decorators included. Older compilers run this earlier.
    if (given.has(this)) given.set(this, held(this))
    members.push({
      key,
      registration: placed,
      get method() {
        return method ?? asFunction(given.get(this.owner))
      },
      owner: this,
      isField: method === undefined,
      // Of a static private member, a subclass is no owner: only the class that declares the member can read it.
      held: (instance) => held(isPrivate ? this : instance),
      metadata,
    })
    ofInstances.set(this, members)
  })
  if (method !== undefined) return undefined
  return function (value) {
    given.set(this, value)
    return value
  }
}

function asFunction(given: unknown): AnyHandler | undefined {
  return typeof given === 'function' ? (given as AnyHandler) : undefined
}

function registerLegacy(
  registration: Registration,
  target: object,
  key: Key,
  given: PropertyDescriptor | undefined,
): void {
  // A guarded field has only a setter at this point, added by the guards, so a getter was written by the user.
  if (given?.get !== undefined) throw misplaced(`@${registration.label} on ${nameOfKey(key)}`, 'a getter')
  const members = ofClasses.get(target) ?? new Map<Key, LegacyMember>()
  const placed = { ...registration, order: positionOf(registration.order, typeof target, key) }
  const registrations = [...(members.get(key)?.registrations ?? []), placed]
  members.set(key, { registrations, isField: typeof given?.value !== 'function' })
  ofClasses.set(target, members)
}

function misplaced(what: string, kind: string): SentinelError {
  return new SentinelError(
    'handler.invalid',
    `${what}: it decorates ${kind}, which handles no updates. Put it on a method, or on a field that holds a function.`,
  )
}

function isDecoration(given: unknown): given is Decoration {
  return typeof given === 'object' && given !== null && 'kind' in given && 'addInitializer' in given
}

/** Returns the members of an instance that handle updates, in order. For a class, returns its static members. */
export function membersOf(instance: object): readonly Member[] {
  const members = [...ownMembers(instance), ...legacyMembers(instance)]
  return members.sort((a, b) => a.registration.order - b.registration.order)
}

/** Members that standard decorators registered, without overridden ones. An override that has no registrar of its own is an error. */
function ownMembers(instance: object): readonly Member[] {
  const all = [...(ofInstances.get(instance) ?? [])]
  // Static members are registered once, on the class that declares them.
  if (typeof instance === 'function') {
    for (const base of chainOf(Object.getPrototypeOf(instance))) all.push(...(ofInstances.get(base) ?? []))
  }
  return all.filter((member) => {
    if (member.method === undefined || (typeof member.key === 'string' && member.key.startsWith('#')))
      return true
    const held = member.held(instance)
    const within = typeof held === 'function' ? layersOf(held as AnyHandler) : []
    if (within.includes(member.method)) return true
    if (all.some(({ method }) => method !== undefined && within.includes(method))) return false
    const declared = declarersOf(instance, member.key)
    const registered = functionsOf(all, member.key)
    // Each class may have registered its own method, with further decorators around the last one. That is valid.
    if (!member.isField && declared.length > 1 && registered.length >= declared.length) {
      return registered.at(-1) === lineOf(registered, member.method)
    }
    if (
      member.isField
        ? isLostField(instance, member)
        : declared.length > 1 || isLostMethod(instance, member.key, held)
    ) {
      throw undecorated(instance, member)
    }
    // Another decorator wraps the method, or it was bound.
    return true
  })
}

/** The functions decorated under one key, once for each class: registrars on the same method may see it with or without guards. */
function functionsOf(members: readonly Member[], key: Key): readonly AnyHandler[] {
  const functions: AnyHandler[] = []
  for (const { key: other, method } of members) {
    if (other === key && method !== undefined && lineOf(functions, method) === undefined)
      functions.push(method)
  }
  return functions
}

/** Returns the listed function that is the same as `method`, wraps it, or is wrapped by it. */
function lineOf(functions: readonly AnyHandler[], method: AnyHandler): AnyHandler | undefined {
  return functions.find((each) => layersOf(each).includes(method) || layersOf(method).includes(each))
}

/** Whether a field was guarded, but holds a function without these guards. A field of the instance's own class is never lost. */
function isLostField(instance: object, { key, method, metadata }: Member): boolean {
  if (typeof instance !== 'function' && isOfLastClass(instance, metadata)) return false
  return (method !== undefined && guardsOf(method) !== undefined) || isGuardedField(instance, key)
}

const METADATA: symbol = (Symbol as { readonly metadata?: symbol }).metadata ?? Symbol.for('Symbol.metadata')

/** Whether the instance's own class declares the member, and not a base class. */
function isOfLastClass(instance: object, metadata: object | undefined): boolean {
  const last: { readonly constructor?: unknown } = Object.getPrototypeOf(instance)
  const parent: object | null = Object.getPrototypeOf(last)
  if (parent === null || parent === Object.prototype) return true
  const own: unknown = Object.getOwnPropertyDescriptor(Object(last.constructor), METADATA)?.value
  return own !== undefined && own === metadata
}

/** Whether an own property of the instance replaces a guarded method without wrapping it. */
function isLostMethod(instance: object, key: Key, held: unknown): boolean {
  if (typeof instance === 'function' || !Object.hasOwn(instance, key)) return false
  const [nearest] = declarersOf(instance, key)
  const method: unknown =
    nearest === undefined ? undefined : Object.getOwnPropertyDescriptor(nearest, key)?.value
  if (typeof method !== 'function' || guardsOf(method as AnyHandler) === undefined) return false
  return typeof held !== 'function' || !layersOf(held as AnyHandler).includes(method as AnyHandler)
}

function legacyMembers(instance: object): readonly Member[] {
  const found = new Map<Key, LegacyMember>()
  for (const at of chainOf(typeof instance === 'function' ? instance : Object.getPrototypeOf(instance))) {
    for (const [key, member] of ofClasses.get(at) ?? []) {
      if (found.has(key)) continue
      const [nearest] = declarersOf(instance, key)
      const [registration] = member.registrations
      const isOverridden = nearest !== undefined && nearest !== at
      const isLost = !member.isField && isLostMethod(instance, key, Reflect.get(instance, key))
      if ((isOverridden || isLost) && registration !== undefined) {
        throw undecorated(instance, { key, registration })
      }
      found.set(key, member)
    }
  }
  return [...found].flatMap(([key, { registrations, isField }]) =>
    registrations.map((registration) => ({
      key,
      registration,
      method: undefined,
      isField,
      held: (self) => Reflect.get(self, key),
    })),
  )
}

/** The prototypes (for a class: the classes) that declare a method or getter with this name, nearest first. */
function declarersOf(instance: object, key: Key): readonly object[] {
  const chain = chainOf(typeof instance === 'function' ? instance : Object.getPrototypeOf(instance))
  return chain.filter((at) => {
    const { value, get } = Object.getOwnPropertyDescriptor(at, key) ?? {}
    return typeof value === 'function' || get !== undefined
  })
}

function chainOf(start: object | null): readonly object[] {
  const chain: object[] = []
  for (let at = start; at !== null; at = Object.getPrototypeOf(at)) chain.push(at)
  return chain
}

function undecorated(
  instance: object,
  { key, registration }: Pick<Member, 'key' | 'registration'>,
): SentinelError {
  const owner = typeof instance === 'function' ? instance : instance.constructor
  return new SentinelError(
    'handler.undecorated',
    `handlers: ${owner.name}.${nameOfKey(key)} overrides the handler of ${registration.label}, and has no registrar such as @${registration.label.split(':')[0]} itself: neither guards nor registrations are inherited. Decorate it too, or give it another name.`,
  )
}
