import { type Key, keyText } from 'grammy-sentinel'
import { type Account, type Happening, type Ledger, stoppedBy } from './ledger.js'
import { errorInWords, oneLine, verdictInWords } from './words.js'

/** A row of the table. */
export interface Row {
  readonly name: string
  readonly role: string
  readonly account: Account
}

const HEAD = ['who', 'role', 'passed', 'stopped', 'last verdict'] as const

/** Returns the lines of the table, none wider than the terminal. */
export function frame(rows: readonly Row[], columns: number): string[] {
  const cells = rows.map(({ name, role, account }) => [
    name,
    role,
    String(account.passed),
    String(stoppedBy(account.stopped)),
    verdictInWords(account.last),
  ])
  const all = [[...HEAD], ...cells]
  const widths = HEAD.map((_, column) => Math.max(...all.map((line) => (line[column] as string).length)))
  return all.map((line) => {
    const padded = line.map((cell, column) => {
      const width = widths[column] as number
      // Counts are right-aligned.
      return column === 2 || column === 3 ? cell.padStart(width) : cell.padEnd(width)
    })
    return padded.join('  ').trimEnd().slice(0, columns)
  })
}

/** Returns the control text that draws a frame over the previous one, which had `before` lines. */
export function redraw(lines: readonly string[], before: number): string {
  const up = before === 0 ? '' : `\x1b[${before}A`
  return `${up}${lines.map((line) => `\r\x1b[2K${line}\n`).join('')}`
}

/** The part of a stream that the views use. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
}

/** What may be shown of events. */
export interface Telling {
  /** Names by key; without a name the key is shown. */
  readonly names?: ReadonlyMap<Key, string>
  /** Whether texts and titles are shown, shortened. Only for texts that are not from real people. */
  readonly texts?: boolean
  /** The token of the bot, which must never be shown. */
  readonly token: string
}

/** Describes an event in one line. */
export function line(happening: Happening, { names, texts, token }: Telling): string {
  const nameOf = (key: Key | undefined): string =>
    key === undefined ? 'nobody' : (names?.get(key) ?? keyText(key))
  switch (happening.type) {
    case 'decided': {
      const { who, updateId, kind, verdict, ctx } = happening
      const said =
        texts === true ? oneLine(ctx.callbackQuery?.data ?? ctx.msg?.text ?? ctx.msg?.caption ?? '') : ''
      const mark = verdict.allowed ? '+' : '-'
      const what = `${mark} ${updateId} ${nameOf(who)}: ${kind} ${verdictInWords(verdict)}`
      return said === '' ? what : `${what}  “${said}”`
    }
    case 'moved':
      return `  ${nameOf(happening.who)}: ${happening.event} in ${texts === true ? oneLine(happening.chat.title ?? '') : happening.chat.id}`
    case 'blocked': {
      const { who, reason } = happening
      return `  ${nameOf(who)}: blocked from now on${reason === undefined ? '' : `, ${oneLine(reason)}`}`
    }
    case 'failed':
      return `! ${happening.during}: ${errorInWords(happening.error, token)}`
  }
}

/** Time between two frames. */
const FRAME_MS = 80

/** Shows a ledger while it is written: as a table in a terminal, otherwise line by line. */
export function show(
  ledger: Ledger,
  screen: Screen,
  telling: Telling,
  rows: readonly Row[] = [],
): () => void {
  // A table higher than the screen cannot be redrawn, because its upper lines have scrolled away.
  if (screen.isTTY !== true || rows.length === 0 || (screen.rows ?? 24) < rows.length + 3) {
    return showLines(ledger, screen, telling)
  }
  let drawn = 0
  let due: NodeJS.Timeout | undefined
  const draw = (): void => {
    due = undefined
    const lines = frame(rows, screen.columns ?? 80)
    screen.write(redraw(lines, drawn))
    drawn = lines.length
  }
  draw()
  const stop = ledger.listen((happening) => {
    if (happening.type === 'failed') {
      // Replaces the table, which is drawn again below.
      screen.write(`${redraw([line(happening, telling)], drawn)}\x1b[J`)
      drawn = 0
    }
    due ??= setTimeout(draw, FRAME_MS)
  })
  return () => {
    stop()
    clearTimeout(due)
    draw()
  }
}

function showLines(ledger: Ledger, screen: Screen, telling: Telling): () => void {
  let lines: string[] = []
  const flush = (): void => {
    if (lines.length > 0) screen.write(`${lines.join('\n')}\n`)
    lines = []
  }
  const stop = ledger.listen((happening) => {
    // Written later, so that the measured latency is the guard's and not the terminal's.
    if (lines.push(line(happening, telling)) === 1) setImmediate(flush)
  })
  return () => {
    stop()
    flush()
  }
}
