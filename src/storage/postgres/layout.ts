import type { Check, Limited, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { depthOf } from '../../core/limit.js'
import { marksReadBy, variantsOf } from '../contract/plan.js'

/** Number of fixed cells in a record, for checks that have any. */
const CELLS = { bucket: 1, counters: 3, fixed: 2, claim: 2 } as const

/** Number of tokens of a sequence that one row keeps. */
export const TOKENS_IN_CHUNK = 4096

/** Where a check keeps its state. */
export interface Column {
  readonly index: number
  readonly check: Check
  /** Index into {@link Layout.scopes}. */
  readonly scope: number
  /** The check's cells in the records of its scope, counting from 1. */
  readonly cells: readonly number[]
  /** Identifies the slot and kind of state wherever state is stored. */
  readonly tag: number
  /** For claims on digests: tag of sections for claims without lease and retry that have no room in the fixed cells. */
  readonly heldTag: number
  /** For claims on digests: tag of the list of all others. */
  readonly listTag: number
  readonly penaltyTag: number
  /** Identifies the slot alone: for claims that remember which check refused. */
  readonly slot: number
  /** For sequences: index among the plan's sequences, and below the number under which chunks are stored. */
  readonly sequence: number
  readonly chunk: number
  /** For claims: index of the token in an ask, and in a row of the batch. */
  readonly claim: number
}

/** One scope of a plan, as used by the function. */
export interface ScopeLayout {
  readonly scope: number
  /** The number under which its records are stored; 0 if it has none. */
  readonly space: number
  readonly layout: number
  readonly cells: number
  readonly columns: readonly Column[]
  /** Marks that are read, as indices into {@link Layout.marks}. */
  readonly marks: readonly number[]
  /** Those marks whose value may be a limit. */
  readonly stored: readonly number[]
}

/** The layout of a plan in the tables. */
export interface Layout {
  readonly plan: Plan
  readonly columns: readonly Column[]
  readonly scopes: readonly ScopeLayout[]
  readonly marks: readonly string[]
  readonly sequences: readonly Column[]
}

/** Maps names to numbers that are the same for everyone sharing the schema. */
export interface Names {
  ids(names: readonly string[]): Promise<ReadonlyMap<string, number>>
  layout(tags: readonly number[], widths: readonly number[]): Promise<number>
}

const spaceName = (plan: string, scope: string): string => JSON.stringify(['space', plan, scope])
const chunkName = (slot: string, plan: string): string => JSON.stringify(['chunk', slot, plan])
/** Returns the common start of the names of a slot's chunks, or of all chunks if no slot is given. */
export const chunkPrefix = (slot?: string): string =>
  slot === undefined ? '["chunk",' : `["chunk",${JSON.stringify(slot)},`
const slotName = (slot: string): string => JSON.stringify(['slot', slot])
const tagName = (slot: string, kind: string): string => JSON.stringify(['tag', slot, kind])
/** Returns all names that the state of a slot in records may have. */
export const tagNames = (slot: string): string[] =>
  ['bucket', 'log', 'counters', 'fixed', 'claim', 'held', 'claims', 'penalty'].map((kind) =>
    tagName(slot, kind),
  )

type Form = 'absent' | 'present' | 'bucket' | 'log' | 'counters' | 'fixed' | 'claim' | 'sequence'

export function formOf(check: Check): Form {
  if (check.kind === 'window') return check.form
  return check.kind === 'claim' && check.tokens === 'sequence' ? 'sequence' : check.kind
}

/** Lays out a plan, requesting the numbers of its names. */
export async function layOut(plan: Plan, names: Names): Promise<Layout> {
  const wanted = new Set<string>()
  for (const check of plan.checks) {
    wanted.add(slotName(check.slot))
    wanted.add(tagName(check.slot, formOf(check)))
    wanted.add(tagName(check.slot, 'held'))
    wanted.add(tagName(check.slot, 'claims'))
    wanted.add(tagName(check.slot, 'penalty'))
    if (formOf(check) === 'sequence') wanted.add(chunkName(check.slot, plan.name))
  }
  for (const scope of plan.scopes) wanted.add(spaceName(plan.name, scope))
  const ids = await names.ids([...wanted])
  const id = (name: string): number => ids.get(name) as number

  const marks: string[] = []
  const marksOf = new Map<number, Set<string>>()
  const storedOf = new Map<number, Set<string>>()
  const want = (of: Map<number, Set<string>>, scope: number, name: string): void => {
    if (!marks.includes(name)) marks.push(name)
    of.set(scope, (of.get(scope) ?? new Set()).add(name))
  }
  for (const check of plan.checks) {
    for (const { scope, mark } of marksReadBy(check)) want(marksOf, scope, mark)
    for (const { mark, subject, limit } of variantsOf(check)) {
      if (limit === 'stored') want(storedOf, subject, mark)
    }
  }
  const stateful = (check: Check): boolean =>
    check.onRefusal !== undefined || !['absent', 'present', 'sequence'].includes(formOf(check))

  const scopes: ScopeLayout[] = []
  const columns: Column[] = []
  const claims = plan.checks.filter(({ kind }) => kind === 'claim')
  const sequences = plan.checks.filter((check) => formOf(check) === 'sequence')
  const laid: (number | Promise<number>)[] = []
  for (const [scope, name] of plan.scopes.entries()) {
    const checks = plan.checks.filter(({ subject }) => subject === scope)
    const keeps = checks.some(stateful)
    let cells = 0
    const own: Column[] = checks.map((check) => {
      const form = formOf(check)
      const width = CELLS[form as keyof typeof CELLS] ?? 0
      cells += width
      return {
        index: plan.checks.indexOf(check),
        check,
        scope: scopes.length,
        cells: Array.from({ length: width }, (_, i) => cells - width + i + 1),
        tag: id(tagName(check.slot, form)),
        heldTag: id(tagName(check.slot, 'held')),
        listTag: id(tagName(check.slot, 'claims')),
        penaltyTag: id(tagName(check.slot, 'penalty')),
        slot: id(slotName(check.slot)),
        sequence: sequences.indexOf(check),
        chunk: form === 'sequence' ? id(chunkName(check.slot, plan.name)) : 0,
        claim: claims.indexOf(check),
      }
    })
    columns.push(...own)
    const fixed = own.filter((column) => column.cells.length > 0)
    const tags = fixed.map(({ tag }) => tag)
    const widths = fixed.map((column) => column.cells.length)
    laid.push(keeps ? names.layout(tags, widths) : 0)
    scopes.push({
      scope,
      space: keeps ? id(spaceName(plan.name, name)) : 0,
      layout: 0,
      cells,
      columns: own,
      marks: [...(marksOf.get(scope) ?? [])].map((mark) => marks.indexOf(mark)),
      stored: [...(storedOf.get(scope) ?? [])].map((mark) => marks.indexOf(mark)),
    })
  }
  columns.sort((a, b) => a.index - b.index)
  const layouts = await Promise.all(laid)
  const laidOut = scopes.map((scope, index) => ({ ...scope, layout: layouts[index] as number }))
  return { plan, columns, scopes: laidOut, marks, sequences: columns.filter(({ sequence }) => sequence >= 0) }
}

/** Returns how many stamps an exact window keeps: as many as the largest amount among the plan's limits. */
export function ringOf({ limit, variants = [] }: Limited): number {
  return Math.max(limit.amount, ...variants.map((each) => (each.limit === 'stored' ? 0 : each.limit.amount)))
}

/** Returns how long the state of a plan can matter after its last change, under the plan's own limits. */
export function lifeOf({ checks }: Plan): Ms {
  let longest = 1000
  for (const check of checks) {
    const { penalty, noticeEvery = 0 } = check.onRefusal ?? {}
    const ban = Math.max(0, ...(penalty?.bans ?? []))
    longest = Math.max(longest, noticeEvery, ban * 2, penalty?.within ?? 0)
    if (check.kind === 'claim') longest = Math.max(longest, check.holdFor)
    if (check.kind !== 'bucket' && check.kind !== 'window') continue
    const form = formOf(check)
    const limits = variantsOf(check).flatMap(({ limit }) => (limit === 'stored' ? [] : [limit]))
    for (const limit of [check.limit, ...limits]) {
      const reach = form === 'bucket' ? depthOf(limit) / limit.amount : limit.per * 2
      longest = Math.max(longest, reach)
    }
  }
  return Math.ceil(longest)
}
