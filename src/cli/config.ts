import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { SentinelError } from '../core/errors.js'
import { formatLimit, type LimitInput, parseLimit } from '../core/limit.js'
import {
  checkOptions,
  layer,
  parseJson,
  readEnv,
  type SentinelOptions,
  withDefaults,
} from '../options/index.js'
import { sentinel } from '../sentinel.js'
import { type Command, type Terminal, UsageError } from './command.js'

/** `grammy-sentinel config`: checks options without starting a bot. */
export const config: Command = {
  summary: 'Checks a file of options, or prints their JSON Schema',
  usage: [
    'Usage: grammy-sentinel config check FILE [--env]',
    '       grammy-sentinel config schema',
    '',
    'check   Reads options from a JSON file and shows each value with its source, or lists every wrong option.',
    '        Contradictions between options are looked for once each option is valid.',
    '        --env lets environment variables (SENTINEL__THROTTLE__LIMIT=20/1m) override the file.',
    'schema  Prints the JSON Schema of the options, for editors.',
    '',
    'Exit codes: 0 all is well, 1 something is wrong, 2 wrong usage.',
  ].join('\n'),
  run([name, ...args], terminal) {
    switch (name) {
      case 'check':
        return check(args, terminal)
      case 'schema':
        parseArgs({ args, allowPositionals: false })
        // Read from the built file, because the descriptions of options are stripped from the shipped code.
        terminal.out(readFileSync(new URL('../options.schema.json', import.meta.url), 'utf8').trimEnd())
        return 0
      default:
        throw new UsageError(name === undefined ? 'Name a command: check or schema.' : unknown(name))
    }
  },
}

function unknown(name: string): string {
  const meant = name.endsWith('.json') ? ` Did you mean "config check ${name}"?` : ''
  return `"${name}" is not a command of config.${meant}`
}

type Source = 'default' | 'file' | 'env'

async function check(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { env: { type: 'boolean', default: false } },
    allowPositionals: true,
  })
  const [path, ...others] = positionals
  if (path === undefined) throw new UsageError('Which file?')
  if (others.length > 0) throw new UsageError('Name one file only.')

  const file = readFile(path)
  const env = values.env ? readEnv(terminal.env, 'SENTINEL') : { options: {}, problems: [] }
  const problems = [...file.problems, ...env.problems]
  // Both may be valid separately, but not together.
  if (problems.length === 0) problems.push(...checkOptions(layer(file.options, env.options)))
  // Finally checks what the schema cannot: whether guards can be made of the options, and fit into one plan.
  if (problems.length === 0) problems.push(...(await wiringProblems(layer(file.options, env.options))))
  if (problems.length > 0) {
    terminal.err(`${path}: ${problems.length === 1 ? '1 problem' : `${problems.length} problems`}`)
    for (const { code, message } of problems) terminal.err(`  ${message} [${code}]`)
    return 1
  }
  terminal.out(`${path}: ok\n${table(file.options, env.options)}`)
  return 0
}

async function wiringProblems(options: SentinelOptions): Promise<readonly SentinelError[]> {
  try {
    await sentinel(options).close()
    return []
  } catch (error) {
    if (error instanceof SentinelError) return [error]
    throw error
  }
}

function readFile(path: string): { options: SentinelOptions; problems: SentinelError[] } {
  try {
    const options = parseJson(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''))
    const problems = checkOptions(options)
    return { options: problems.length === 0 ? (options as SentinelOptions) : {}, problems }
  } catch (error) {
    if (error instanceof SentinelError) return { options: {}, problems: [error] }
    const problem = new SentinelError('option.invalid', `cannot be read: ${(error as Error).message}`)
    return { options: {}, problems: [problem] }
  }
}

/** Lists the resulting options: name, value and origin, one per line. */
function table(file: SentinelOptions, env: SentinelOptions): string {
  // layer() expands short forms, so that paths match those of the resulting options.
  const [fromFile, fromEnv] = [layer(file), layer(env)]
  const { $schema, ...options } = withDefaults(layer(file, env))
  const rows = leavesOf(options).map(([path, value]): [string, string, Source] => [
    nameOf(path),
    textOf(value),
    reaches(fromEnv, path) ? 'env' : reaches(fromFile, path) ? 'file' : 'default',
  ])
  const width = (column: 0 | 1): number => Math.max(...rows.map((row) => row[column].length))
  return rows
    .map(([name, value, source]) => `  ${name.padEnd(width(0))}  ${value.padEnd(width(1))}  ${source}`)
    .join('\n')
}

type Path = readonly (string | number)[]

function leavesOf(value: unknown, path: Path = []): (readonly [Path, unknown])[] {
  if (Array.isArray(value) && value.some((item) => typeof item === 'object')) {
    return value.flatMap((item, index) => leavesOf(item, [...path, index]))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isLimit(value)) {
    return [[path, value]]
  }
  const entries = Object.entries(value)
  // An empty object turns a feature on, with its defaults. For `exempt` and `notices` it means nothing.
  if (entries.length === 0) return ['exempt', 'notices'].includes(String(path[0])) ? [] : [[path, true]]
  return entries.flatMap(([key, inner]) => leavesOf(inner, [...path, key]))
}

function nameOf(path: Path): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .slice(1)
}

function textOf(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  if (Array.isArray(value)) return value.map(textOf).join(', ')
  if (isLimit(value)) return formatLimit(parseLimit(value))
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function isLimit(value: unknown): value is Exclude<LimitInput, string> {
  return typeof value === 'object' && value !== null && 'per' in value
}

function reaches(options: unknown, path: Path): boolean {
  let held = options
  for (const key of path) {
    if (typeof held !== 'object' || held === null || !Object.hasOwn(held, key)) return false
    held = (held as Readonly<Record<string | number, unknown>>)[key]
  }
  return true
}
