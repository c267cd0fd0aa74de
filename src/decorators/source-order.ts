/** The member that registrars were applied to last, among members of one kind, and the positions up to it. */
interface Latest {
  readonly key: string | symbol | undefined
  readonly before: number
  readonly position: number
}

/** By kind, for the class that is being decorated, and perhaps some before it. */
const latest = new Map<string, Latest>()
/** The last position of all, and that of the classes before. */
let last = 0
let earlier = 0
let wasField = false

/** Far less than one, so that very many positions fit between two numbers. */
const STEP = 2 ** -20

/**
 * Returns the position in source order of a member to which a registrar is applied. A registrar is numbered when it is created,
 * which usually is where the member is written. One that is kept in a constant was created earlier: then its number is lower than
 * that of the member before it, and the position follows that member. Compilers decorate members of one kind in source order. With
 * standard decorators fields come after all methods, so the position of a constant's first field among the methods is unknown.
 */
export function positionOf(number: number, kind: string, key: string | symbol): number {
  const isField = kind.startsWith('field')
  // A method after fields belongs to another class.
  if (wasField && !isField) {
    latest.clear()
    earlier = last
  }
  wasField = isField
  const known = latest.get(kind) ?? { key: undefined, before: earlier, position: earlier }
  // Several registrars of one member are applied from the inside out, so their numbers fall.
  const isSame = known.key === key
  const before = isSame ? known.before : known.position
  const own = number > before ? number : before + STEP
  latest.set(kind, { key, before, position: isSame ? Math.max(own, known.position) : own })
  last = Math.max(last, own)
  return own
}
