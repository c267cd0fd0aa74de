import { CELLS, type CellColumn, type ClaimColumn, FIRST_CELL, type ScopeLayout } from './layout.js'
import { lines, num, tagBytes } from './lua.js'
import { markTag, PART, tagOf } from './tags.js'

/** Length of the field after the head that tells until when the record is kept. */
const KEPT_BYTES = 6

/** Returns the format of a record's cells, in order; empty without cells. */
export function formatOf(cells: readonly CellColumn[]): string {
  return cells.map(({ part }) => CELLS[part].format).join('')
}

export function headOf(cells: readonly CellColumn[]): number[] {
  return [cells.length, ...cells.flatMap(({ tag, part }) => [...tagBytes(tag), part])]
}

/** Number of values (`countOf`) and bytes (`sizeOf`) of a record that has only cells. */
export function countOf(cells: readonly CellColumn[]): number {
  return cells.reduce((sum, { part }) => sum + CELLS[part].count, 0)
}

export function sizeOf(cells: readonly CellColumn[]): number {
  return cells.reduce((sum, { part }) => sum + CELLS[part].bytes, headOf(cells).length + KEPT_BYTES)
}

/** Lua that reads and writes the records of one scope, whatever they contain: `LOAD[n](k, now)` and `SAVE[n](k, r, now)`. */
export function recordFunctions({ index, cells, beside }: ScopeLayout): string {
  const head = headOf(cells)
  const format = formatOf(cells)
  const size = sizeOf(cells)
  const names = Array.from({ length: countOf(cells) }, (_, i) => `, c${i + 1}`).join('')
  const blank = `{false, false, 0, 0${names.replaceAll(/c\d+/g, '0')}}`
  const values = Array.from({ length: countOf(cells) }, (_, i) => `, r[${FIRST_CELL + i}]`).join('')
  return lines(
    `LOAD[${index + 1}] = function(k, now)
  local r = R[k]
  if r then return r end
  local s = S[k]
  if not s then r = ${blank}
  elseif #s >= ${size} and sub(s, 1, ${head.length}) == HEAD${index} then
    local kept${names} = read('<I6${format}', s, ${head.length + 1})
    r = {false, false, 0, kept${names}}
    if #s > ${size} then
      local ok, x = pcall(extras, s, ${size + 1})
      if ok then r[1] = x else corrupt = corrupt + 1 end
    end
  else
    local ok, x = pcall(parts, s, k, now)
    r = ${blank}
    if not ok then corrupt = corrupt + 1
    else`,
    cells.map((column) => adopt(column)),
    `      if next(x) then r[1] = x end`,
    beside.map((claim) => moveBeside(claim)),
    `    end
  end
  R[k] = r
  return r
end`,
    `SAVE[${index + 1}] = function(k, r, now)
  local lapses = 0`,
    cells.map((column) => lapseOf(column)),
    `  saveAll(k, r, HEAD${index}, ${format === '' ? "''" : `pack('<${format}'${values})`}, lapses, now)
end`,
  )
}

/** Takes over a part that another plan stored after the cells. */
function adopt({ tag, part, cell }: CellColumn): string {
  const { format, count } = CELLS[part]
  const targets = Array.from({ length: count }, (_, i) => `r[${cell + i}]`).join(', ')
  return `      if x[${num(tag)}] and x[${num(tag)}][1] == ${part} then ${targets} = read('<${format}', x[${num(tag)}][3]) x[${num(tag)}] = nil end`
}

/**
 * Moves the latest claim, which another plan stored in cells: under this plan all claims are settled and stored after the cells.
 */
function moveBeside({ check, tag }: ClaimColumn): string {
  const cells = num(tagOf(PART.claim, check.slot))
  return `      if x[${cells}] then
        local token, lapses, refuser = read('<dI6I4', x[${cells}][3])
        x[${cells}] = nil
        if lapses > now then claimBeside(r, ${num(tag)}, token, lapses, refuser == 0 and 1 or 4, 0, 0, refuser, now) end
      end`
}

/** Sets when the state in a column stops mattering. */
export function lapseOf({ part, cell, reach }: CellColumn): string {
  if (part === PART.bucket) return `if r[${cell}] >= lapses then lapses = r[${cell}] + 1 end`
  if (part === PART.claim) return `if r[${cell + 1}] > lapses then lapses = r[${cell + 1}] end`
  const after = part === PART.counters ? reach * 2 : reach
  return `if r[${cell}] + ${num(after)} > lapses then lapses = r[${cell}] + ${num(after)} end`
}

/**
 * Lua that reads the marks of one scope's subject. `MARKS[n](k)` returns when each mark that the plan reads lapses, in the order
 * of the layout, followed by the limits stored in marks, three numbers each.
 */
export function markFunction({ index, marks, stored }: ScopeLayout): string {
  if (marks.length === 0) return ''
  const found = marks.map((name, place) => {
    const limit = stored.indexOf(name)
    const at = marks.length + limit * 3
    const read =
      limit < 0
        ? ''
        : ` if byte(s, from) == 1 then m[${at + 1}], m[${at + 2}], m[${at + 3}] = read('<ddd', s, from + 1) end`
    return `${place === 0 ? 'if' : 'elseif'} tag == ${num(markTag(name))} then m[${place + 1}] = lapses${read}`
  })
  const blank = `{${[...marks.map(() => 'false'), ...stored.flatMap(() => ['0', '0', '0'])].join(', ')}}`
  return `local NONE${index}, KNOWN${index} = ${blank}, {}
MARKS[${index + 1}] = function(k)
  local s = S[k]
  if not s then return NONE${index} end
  local m = KNOWN${index}[k]
  if m then return m end
  m = ${blank}
  local pos, n = 1, #s
  while pos + 16 <= n do
    local tag, lapses, length, from = read('<I6dI3', s, pos)
    ${found.join('\n    ')}
    end
    pos = from + length
  end
  if pos ~= n + 1 then unreadable(k) end
  KNOWN${index}[k] = m
  return m
end`
}
