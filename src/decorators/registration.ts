import type { Composer, Context, Middleware } from 'grammy'
import { SentinelError } from '../core/errors.js'
import { isGuardedField } from '../middleware/position/fields.js'
import { type AnyHandler, checkedHandler, guardsOf, layersOf } from '../middleware/position/guarded.js'
import { nameOfKey } from '../middleware/position/place.js'

export type Key = string | symbol

/** What a handler is registered for. */
export interface Registration {
  /** In the order in which decorators are written, across methods and fields, base classes first. */
  readonly order: number
  /** Such as `command:buy`. */
  readonly label: string
  register(composer: Composer<Context>, handler: Middleware): void
}

/** A member of a class that handles something. */
export interface Member {
  readonly key: Key
  readonly registration: Registration
  /** The instance, or class for what is static, that it was made for; undefined under `experimentalDecorators`. */
  readonly owner?: object
  /** What an instance holds there: private members too. */
  held(instance: object): unknown
  /** The function that was decorated: of a field, what it was given at first. Undefined where nobody has seen it. */
  readonly method: AnyHandler | undefined
  readonly isField: boolean
  /** The same for all members of one class, where the compiler gives it. */
  readonly metadata?: object | undefined
}

/** By instance; by class for what is static. The standard's decorators tell of themselves whenever an instance is made. */
const ofInstances = new WeakMap<object, Member[]>()
/** By prototype, or class for what is static: `experimentalDecorators` are called once, with it. */
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

/** Called as a decorator, by the standard or as `experimentalDecorators` has it. */
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
    const kind = isDecoration(second) ? `a ${second.kind}` : 'what is no member of a class'
    throw misplaced(what, kind)
  }
  const { name: key, access, metadata, private: isPrivate = false } = second
  const method = second.kind === 'method' ? checkedHandler(first, what) : undefined
  /** By whose field it is. */
  const given = new WeakMap<object, unknown>()
  // Called with the instance, for older compilers as `this`.
  const held = (instance: object): unknown =>
    isPrivate ? access.get.call(instance, instance) : Reflect.get(instance, key)
  second.addInitializer(function () {
    const members = ofInstances.get(this) ?? []
    // By the standard the field is complete by now, with what decorators of others made of it; older compilers come here first.
    if (given.has(this)) given.set(this, held(this))
    members.push({
      key,
      registration,
      get method() {
        return method ?? asFunction(given.get(this.owner))
      },
      owner: this,
      isField: method === undefined,
      held,
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
  // A field that guards stand on has a setter of theirs by now, and no getter.
  if (given?.get !== undefined) throw misplaced(`@${registration.label} on ${nameOfKey(key)}`, 'a getter')
  const members = ofClasses.get(target) ?? new Map<Key, LegacyMember>()
  const registrations = [...(members.get(key)?.registrations ?? []), registration]
  members.set(key, { registrations, isField: typeof given?.value !== 'function' })
  ofClasses.set(target, members)
}

function misplaced(what: string, kind: string): SentinelError {
  return new SentinelError(
    'handler.invalid',
    `${what}: it stands on ${kind}, which handles no updates. Put it on a method, or on a field that holds a function.`,
  )
}

function isDecoration(given: unknown): given is Decoration {
  return typeof given === 'object' && given !== null && 'kind' in given && 'addInitializer' in given
}

/** Whatever of an instance handles something, in order. Of a class, what is static. */
export function membersOf(instance: object): readonly Member[] {
  const members = [...ownMembers(instance), ...legacyMembers(instance)]
  return members.sort((a, b) => a.registration.order - b.registration.order)
}

/** What an override took the place of is left out; an override that handles nothing itself is a slip. */
function ownMembers(instance: object): readonly Member[] {
  const all = [...(ofInstances.get(instance) ?? [])]
  // What is static is told of once, by the class that declares it.
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
    // Each class may have registered its own method, with other decorators around the last one. That is no mistake.
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
    // Something of others stands around it, or it was bound.
    return true
  })
}

/** The functions that were decorated under one key, each class's once: several registrars on one see it with guards or without. */
function functionsOf(members: readonly Member[], key: Key): readonly AnyHandler[] {
  const functions: AnyHandler[] = []
  for (const { key: other, method } of members) {
    if (other === key && method !== undefined && lineOf(functions, method) === undefined)
      functions.push(method)
  }
  return functions
}

/** Which of them a function is, or is around, or within. */
function lineOf(functions: readonly AnyHandler[], method: AnyHandler): AnyHandler | undefined {
  return functions.find((each) => layersOf(each).includes(method) || layersOf(method).includes(each))
}

/** Whether guards stood on a field, and do not stand around what it holds. In its own class nobody overrides it; there it was wrapped. */
function isLostField(instance: object, { key, method, metadata }: Member): boolean {
  if (typeof instance !== 'function' && isOfLastClass(instance, metadata)) return false
  return (method !== undefined && guardsOf(method) !== undefined) || isGuardedField(instance, key)
}

const METADATA: symbol = (Symbol as { readonly metadata?: symbol }).metadata ?? Symbol.for('Symbol.metadata')

/** Whether it is the class of an instance itself that has a member, and not one that it extends. */
function isOfLastClass(instance: object, metadata: object | undefined): boolean {
  const last: { readonly constructor?: unknown } = Object.getPrototypeOf(instance)
  const parent: object | null = Object.getPrototypeOf(last)
  if (parent === null || parent === Object.prototype) return true
  const own: unknown = Object.getOwnPropertyDescriptor(Object(last.constructor), METADATA)?.value
  return own !== undefined && own === metadata
}

/** Whether an instance holds something else in the place of a method that is guarded. */
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

/** The prototypes (of a class, the classes) that have a method of this name, or a getter in its place, the nearest first. */
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
    `handlers: ${owner.name}.${nameOfKey(key)} overrides what handles ${registration.label}, and has no registrar such as @${registration.label.split(':')[0]} itself: neither guards nor registrations are inherited. Decorate it, too, or call the one of the base class from it.`,
  )
}
