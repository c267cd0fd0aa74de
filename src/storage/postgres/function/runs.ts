import type { Column } from '../layout.js'
import { limitIn, missing, type Writing } from './checks.js'
import { charged, chargedBucket, left } from './outcomes.js'

/*
 * Adjacent buckets of the same subject are judged, charged and reported together if all of them are asked and nothing is out of
 * the ordinary; each then costs two expressions. Otherwise they are handled one by one.
 */

/** Returns the checks of a plan in order, grouped into runs. */
export function runsOf({ layout, ownLimits }: Writing): (readonly Column[])[] {
  const runs: Column[][] = []
  for (const column of layout.columns) {
    const last = runs.at(-1)
    if (
      !ownLimits &&
      last !== undefined &&
      isSimple(column) &&
      isSimple(last[0]) &&
      last[0].scope === column.scope
    ) {
      last.push(column)
    } else runs.push([column])
  }
  return runs
}

/** The variable that tells whether all checks of a run are asked. */
export function flagOf(run: readonly Column[]): string {
  return `f_${run[0]?.index}`
}

/** Sets that variable, once per costs list. */
export function flagged(run: readonly Column[]): string {
  return `${flagOf(run)} := ${run.map(({ index }) => `c${index} <> 0`).join(' AND ')};`
}

/** @param oneByOne The statements that judge the checks one by one. */
export function judgedTogether(run: readonly Column[], writing: Writing, oneByOne: string[]): string[] {
  const scope = run[0]?.scope
  return [
    'fits := false;',
    `IF ${flagOf(run)} AND u${scope} > 0 AND waives IS NULL AND x${scope} IS NULL THEN`,
    ...run.map((column) => `o${column.index} := g${column.index} + ${missing(column, writing)};`),
    `fits := NOT (${run.map((column) => `o${column.index} > ${limitIn(column, writing).most}`).join(' OR ')});`,
    'END IF;',
    'IF NOT fits THEN',
    ...oneByOne,
    'END IF;',
  ]
}

export function chargedTogether(run: readonly Column[], writing: Writing): string[] {
  return [
    `IF ${isWhole(run)} THEN`,
    ...run.map((column) => chargedBucket(column, writing)),
    'ELSE',
    ...run.flatMap((column) => charged(column, writing)),
    'END IF;',
  ]
}

export function leftTogether(run: readonly Column[], writing: Writing): string[] {
  const lefts = run.map((column) => `${limitIn(column, writing).most} - o${column.index}`)
  return [
    `IF refuser IS NULL AND x${run[0]?.scope} IS NULL AND ${isWhole(run)} THEN`,
    `res := res || ARRAY[${lefts.join(', ')}];`,
    'ELSE',
    ...run.flatMap((column) => left(column, writing)),
    'END IF;',
  ]
}

function isWhole(run: readonly Column[]): string {
  return `${flagOf(run)} AND u${run[0]?.scope} > 0 AND skipped IS NULL`
}

function isSimple(column: Column | undefined): column is Column {
  if (column === undefined) return false
  const { check } = column
  return (
    check.kind === 'bucket' &&
    check.shadow !== true &&
    check.unless === undefined &&
    (check.variants ?? []).length === 0
  )
}
