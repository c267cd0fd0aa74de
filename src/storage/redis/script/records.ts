import { CELLS, type LimitedColumn, type ScopeLayout } from './layout.js'
import { bytes, lines, num, quoted, tagBytes } from './lua.js'
import { PART } from './tags.js'

/** The formats of a record's cells, in order; empty where there are none. */
function formatOf(cells: readonly LimitedColumn[]): string {
  return cells.map(({ part }) => CELLS[part as keyof typeof CELLS].format).join('')
}

function headOf(cells: readonly LimitedColumn[]): number[] {
  return [cells.length, ...cells.flatMap(({ tag, part }) => [...tagBytes(tag), part])]
}

function countOf(cells: readonly LimitedColumn[]): number {
  return cells.reduce((sum, { part }) => sum + CELLS[part as keyof typeof CELLS].count, 0)
}

function bytesOf(cells: readonly LimitedColumn[]): number {
  return cells.reduce((sum, { part }) => sum + CELLS[part as keyof typeof CELLS].bytes, 0)
}

/** Lua that reads and writes the records of one scope: `load<n>(k, now)` and `save<n>(k, r, now)`. */
export function recordFunctions({ index, cells }: ScopeLayout): string {
  const head = headOf(cells)
  const format = formatOf(cells)
  const count = countOf(cells)
  const size = head.length + bytesOf(cells)
  const names = Array.from({ length: count }, (_, i) => `c${i + 1}`)
  const zeros = names.map(() => '0').join(', ')
  const fast =
    count === 0
      ? 'r = {}'
      : `local ${names.join(', ')} = read('<${format}', s, ${head.length + 1})\n      r = {${names.join(', ')}}`
  return lines(
    `local HEAD${index} = ${bytes(head)}`,
    `local function load${index}(k, now)
  local r = R[k]
  if r then return r end
  local s = try('GET', KEYS[k])
  if type(s) == 'string' then
    if #s >= ${size} and sub(s, 1, ${head.length}) == HEAD${index} then
      ${fast}
      if #s > ${size} then
        local ok, x = pcall(extras, s, ${size + 1})
        if ok then r.x = x else corrupt = corrupt + 1 end
      end
    else
      local ok, x = pcall(parts, s, k, now)
      r = {${zeros}}
      if not ok then corrupt = corrupt + 1
      else`,
    cells.map((column) => adopt(column)),
    `        if next(x) then r.x = x end
      end
    end
  else
    r = {${zeros}}
    if s then corrupt = corrupt + 1 end
  end
  R[k] = r
  return r
end`,
    `local function save${index}(k, r, now)
  local lapses = 0`,
    cells.map((column) => lapseOf(column)),
    count === 0
      ? `  save(k, r, HEAD${index}, '', lapses, now)`
      : `  save(k, r, HEAD${index}, pack('<${format}', ${names.map((_, i) => `r[${i + 1}]`).join(', ')}), lapses, now)`,
    'end',
  )
}

/** Takes over a part that another plan wrote. */
function adopt({ tag, part, cell }: LimitedColumn): string {
  const { format, count } = CELLS[part as keyof typeof CELLS]
  const targets = Array.from({ length: count }, (_, i) => `r[${cell + i}]`).join(', ')
  return `        if x[${num(tag)}] and x[${num(tag)}][1] == ${part} then ${targets} = read('<${format}', x[${num(tag)}][3]) x[${num(tag)}] = nil end`
}

/** When what a column keeps matters no longer. */
function lapseOf({ part, cell, reach }: LimitedColumn): string {
  if (part === PART.bucket) return `  if r[${cell}] >= lapses then lapses = r[${cell}] + 1 end`
  const after = part === PART.counters ? reach * 2 : reach
  return `  if r[${cell}] + ${num(after)} > lapses then lapses = r[${cell}] + ${num(after)} end`
}

/** Lua that fetches the marks of one scope's subject: `marks<n>(k)`, in the order of the layout. */
export function markFunction({ index, marks }: ScopeLayout): string {
  if (marks.length === 0) return ''
  return `local function marks${index}(k)
  local m = M[${index}]
  if not m then m = {} M[${index}] = m end
  local found = m[k]
  if not found then
    found = call('HMGET', KEYS[k], ${marks.map((name) => quoted(name)).join(', ')})
    m[k] = found
  end
  return found
end`
}
