import { CELLS, type CellColumn, type ClaimColumn, FIRST_CELL, type ScopeLayout } from './layout.js'
import { bytes, lines, num, tagBytes } from './lua.js'
import { markTag, PART, tagOf } from './tags.js'

/** The formats of a record's cells, in order; empty where there are none. */
function formatOf(cells: readonly CellColumn[]): string {
  return cells.map(({ part }) => CELLS[part].format).join('')
}

function headOf(cells: readonly CellColumn[]): number[] {
  return [cells.length, ...cells.flatMap(({ tag, part }) => [...tagBytes(tag), part])]
}

/** Lua that reads and writes the records of one scope: `load<n>(k, now)` and `save<n>(k, r, now)`. */
export function recordFunctions({ index, cells, beside }: ScopeLayout): string {
  const head = headOf(cells)
  const format = formatOf(cells)
  const count = cells.reduce((sum, { part }) => sum + CELLS[part].count, 0)
  const size = cells.reduce((sum, { part }) => sum + CELLS[part].bytes, head.length + 6)
  const names = Array.from({ length: count }, (_, i) => `c${i + 1}`)
  const blank = `{false, false, 0, 0${names.map(() => ', 0').join('')}}`
  const values = names.map((_, i) => `, r[${FIRST_CELL + i}]`).join('')
  return lines(
    `local HEAD${index} = ${bytes(head)}`,
    `local function load${index}(k, now)
  local r = R[k]
  if r then return r end
  local s = S[k]
  if not s then r = ${blank}
  elseif type(s) == 'table' then
    r = ${blank}
    corrupt = corrupt + 1
  elseif #s >= ${size} and sub(s, 1, ${head.length}) == HEAD${index} then`,
    `    local ${['kept', ...names].join(', ')} = read('<I6${format}', s, ${head.length + 1})
    r = {false, false, 0, kept${names.map((name) => `, ${name}`).join('')}}
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
    `local function save${index}(k, r, now)
  local lapses = 0`,
    cells.map((column) => lapseOf(column)),
    `  if r[1] or r[3] > 0 or lapses <= now then
    return saveAll(k, r, HEAD${index}, pack('<${format === '' ? 'c0' : format}'${format === '' ? ", ''" : values}), lapses, now)
  end
  local was = S[k]
  if r[4] >= lapses and was and #was == ${size} then
    -- It is kept for long enough, and is written over where it lies.
    was = pack('<c${head.length}I6${format}', HEAD${index}, r[4]${values})
    S[k] = was
    call('SETRANGE', KEYS[k + 1], '0', was)
  else
    local lives = life(lapses - now)
    r[4] = now + lives
    was = pack('<c${head.length}I6${format}', HEAD${index}, r[4]${values})
    S[k] = was
    call('PSETEX', KEYS[k + 1], text(lives + GRACE), was)
  end
end`,
  )
}

/** Takes over a part that another plan wrote. */
function adopt({ tag, part, cell }: CellColumn): string {
  const { format, count } = CELLS[part]
  const targets = Array.from({ length: count }, (_, i) => `r[${cell + i}]`).join(', ')
  return `      if x[${num(tag)}] and x[${num(tag)}][1] == ${part} then ${targets} = read('<${format}', x[${num(tag)}][3]) x[${num(tag)}] = nil end`
}

/** Another plan kept the last claim in cells; under this one, all are settled and lie beside. */
function moveBeside({ check, tag }: ClaimColumn): string {
  const cells = num(tagOf(PART.claim, check.slot))
  return `      if x[${cells}] then
        local token, lapses, refuser = read('<dI6I4', x[${cells}][3])
        x[${cells}] = nil
        if lapses > now then claimBeside(r, ${num(tag)}, token, lapses, refuser == 0 and 1 or 4, 0, 0, refuser, now) end
      end`
}

/** When what a column keeps matters no longer. */
function lapseOf({ part, cell, reach }: CellColumn): string {
  if (part === PART.bucket) return `  if r[${cell}] >= lapses then lapses = r[${cell}] + 1 end`
  if (part === PART.claim) return `  if r[${cell + 1}] > lapses then lapses = r[${cell + 1}] end`
  const after = part === PART.counters ? reach * 2 : reach
  return `  if r[${cell}] + ${num(after)} > lapses then lapses = r[${cell}] + ${num(after)} end`
}

/**
 * Lua that reads the marks of one scope's subject: `marks<n>(k)` says when each that the plan asks for lapses, in the
 * order of the layout, and behind these the limits that marks carry, three numbers each.
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
  const places = marks.map((name, place) => `[${num(markTag(name))}] = ${place + 1}`).join(', ')
  return `local NONE${index}, MARKS${index}, PLACES${index} = ${blank}, {}, {${places}}
local function marks${index}(k)
  local s = S[k]
  if not s then return NONE${index} end
  local m = MARKS${index}[k]
  if m then return m end
  m = ${blank}
  local pos, n = 1, #s
  while pos <= n do
    local tag, lapses, length, from = read('<I6dI3', s, pos)
    ${found.join('\n    ')}
    end
    pos = from + length
  end
  MARKS${index}[k] = m
  return m
end`
}
