import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import {
  childrenOf,
  isNode,
  literal,
  type Parsed,
  parse,
  type SourceFile,
  type SyntaxNode,
} from './source.js'

/** What each room of `src/` may import besides itself. `top` are the files directly in `src/`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  storage: ['core'],
  hooks: ['core'],
  // Its functions receive a sentinel, and only use its interfaces.
  observability: ['core', 'storage', 'hooks', 'middleware', 'users', 'outgoing'],
  middleware: ['core', 'storage', 'hooks'],
  policies: ['core', 'storage', 'middleware', 'hooks'],
  settings: ['core', 'storage', 'middleware', 'hooks', 'policies'],
  migration: ['core', 'storage', 'middleware', 'outgoing'],
  decorators: ['core', 'storage', 'middleware', 'hooks'],
  users: ['core', 'storage', 'middleware', 'hooks'],
  webhook: ['core', 'storage', 'hooks', 'middleware'],
  outgoing: ['core', 'storage', 'middleware', 'hooks'],
  mtproto: ['core', 'storage'],
  // Its index is the entry `grammy-sentinel/testing`, which has the suite for storages, too.
  telegram: ['core', 'testing', 'mtproto'],
  testing: ['core', 'storage'],
  // Other rooms import `src/options/index.ts`.
  options: ['core', 'storage', 'middleware', 'hooks', 'policies', 'settings', 'outgoing', 'observability'],
  top: [
    'core',
    'options',
    'storage',
    'hooks',
    'observability',
    'middleware',
    'policies',
    'settings',
    'migration',
    'decorators',
    'users',
    'outgoing',
    'webhook',
    'mtproto',
  ],
  cli: [
    'top',
    'options',
    'core',
    'storage',
    'hooks',
    'observability',
    'middleware',
    'policies',
    'settings',
    'migration',
    'decorators',
    'users',
    'outgoing',
    'mtproto',
    'telegram',
  ],
}

/** Where modules of Node, `process` and `Buffer` may be used: all other code runs wherever grammY runs. */
const ON_NODE = [
  'src/telegram/',
  'src/cli/',
  'src/storage/redis/',
  'src/storage/remote/',
  'src/storage/redis.',
  'src/storage/postgres/',
  'src/storage/postgres.',
  'src/storage/sqlite/',
  'src/mtproto/',
]

/** What each folder of `src/storage/` may import of the others. The files directly in the room, such as `hybrid.ts`, may import all. */
const STORAGE_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  // The reference implementation.
  memory: ['contract'],
  shared: ['contract'],
  remote: ['contract'],
  resilient: ['contract', 'shared', 'remote'],
  protection: ['contract', 'shared', 'memory', 'resilient'],
  redis: ['contract', 'shared', 'remote', 'protection'],
  postgres: ['contract', 'shared', 'remote', 'protection'],
  sqlite: ['contract', 'shared', 'remote'],
  grammy: ['contract'],
  hybrid: ['contract', 'shared', 'remote'],
  failover: ['contract', 'shared', 'resilient'],
  migrate: ['contract'],
}

/** The arithmetic of limits and penalties: storages that decide in this process use that of the memory storage, the reference. */
const ARITHMETIC = ['src/storage/memory/limiters.ts', 'src/storage/memory/consequence.ts']

/**
 * The order in `src/middleware/`, from the bottom, as ARCHITECTURE.md describes it: no file imports one of a later line. The check of
 * cycles keeps files of the same line in order. Files that no line names, such as parts of guards, are not checked.
 */
const MIDDLEWARE_LEVELS: readonly RegExp[] = [
  /^chain\/control\.ts$/,
  /^(chain\/|services\/|hooking\/|refusing\/|(services|guard|events|recent)\.ts$)/,
  /^pipeline\.ts$/,
  /^(position\/(?!place\.ts$)|compose\.ts$)/,
  // Every other file directly in the room is a guard.
  /^[^/]+\.ts$/,
]

const MOST_LINES = 450

const { dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
  'dependencies' | 'peerDependencies',
  object
>
/** The packages that a user has installed. Others may be absent, or present in another version. */
const DECLARED = new Set(Object.keys({ ...dependencies, ...peerDependencies }))

export interface Import {
  /** As written; undefined if it is computed. */
  readonly specifier: string | undefined
  readonly line: number
}

/** Every import and re-export of a file, `import()` in code and in types included. */
export function importsOf({ body, lineOf }: Parsed): Import[] {
  const found: Import[] = []
  const add = (node: SyntaxNode, source: unknown): void => {
    found.push({ specifier: literal(source), line: lineOf(node) })
  }
  const visit = (node: SyntaxNode): void => {
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
        add(node, node.source)
        break
      case 'ExportNamedDeclaration':
        if (isNode(node.source)) add(node, node.source)
        break
      case 'TsImportType':
        add(node, node.argument)
        break
      case 'TsExternalModuleReference':
        add(node, node.expression)
        break
      case 'TsModuleDeclaration':
        if (literal(node.id) !== undefined) add(node, node.id)
        break
      case 'CallExpression': {
        const callee = node.callee as SyntaxNode
        const called =
          callee.type === 'Import' || (callee.type === 'Identifier' && callee.value === 'require')
        if (called) add(node, (node.arguments as { expression: unknown }[])[0]?.expression)
        break
      }
    }
    for (const [, child] of childrenOf(node)) visit(child)
  }
  body.forEach(visit)
  return found
}

/** Breaches of the house rules over the files of `src/`, one line each. */
export function checkImports(files: readonly SourceFile[]): string[] {
  const problems: string[] = []
  const known = new Set(files.map((file) => file.path))
  const edges = new Map<string, string[]>()
  for (const file of files) {
    const parsed = parse(file)
    const onNode = ON_NODE.some((prefix) => file.path.startsWith(prefix))
    const targets: string[] = []
    edges.set(file.path, targets)
    const lines = file.text.split('\n').length - (file.text.endsWith('\n') ? 1 : 0)
    if (lines > MOST_LINES) problems.push(`${file.path}: ${lines} lines; split it, ${MOST_LINES} is the most`)
    if (MAY_IMPORT[roomOf(file.path)] === undefined) {
      problems.push(`${file.path}: "${roomOf(file.path)}" is no room; name it in test/house/imports.ts`)
      continue
    }
    for (const { specifier, line } of importsOf(parsed)) {
      const at = `${file.path}:${line}`
      if (specifier === undefined) {
        if (!onNode) problems.push(`${at}: computes what it imports; write the name out`)
      } else if (specifier.startsWith('.')) {
        const target = posix.join(posix.dirname(file.path), specifier).replace(/\.js$/, '.ts')
        const refusal = known.has(target) ? refusalOf(file.path, target) : 'which is not a file of src'
        if (refusal !== undefined) problems.push(`${at}: imports ${target}, ${refusal}`)
        else targets.push(target)
      } else if (/^grammy-sentinel(\/|$)/.test(specifier)) {
        problems.push(`${at}: imports the package by its own name; import the file`)
      } else if (isBuiltin(specifier) && !onNode) {
        problems.push(`${at}: imports ${specifier}, which not every runtime has`)
      } else if (!isBuiltin(specifier) && !DECLARED.has(packageOf(specifier))) {
        problems.push(`${at}: imports ${specifier}, which package.json does not declare for users`)
      }
    }
    problems.push(...runtimeUses(parsed, onNode))
  }
  return [...problems, ...cyclesOf(edges)]
}

function roomOf(path: string): string {
  const parts = path.split('/')
  return parts.length === 2 ? 'top' : (parts[1] as string)
}

/** `@scope/name` for `@scope/name/file.js`. */
export function packageOf(specifier: string): string {
  return /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier
}

function refusalOf(from: string, to: string): string | undefined {
  const room = roomOf(from)
  const target = roomOf(to)
  if (target === 'testing' && room === 'telegram' && from !== 'src/telegram/index.ts') {
    return 'but only the entry src/telegram/index.ts may'
  }
  if (room !== target) {
    return MAY_IMPORT[room]?.includes(target) ? undefined : `but ${room} may not import ${target}`
  }
  if (room === 'middleware' && levelOf(to) > levelOf(from)) return 'which is above it, see ARCHITECTURE.md'
  if (room !== 'storage') return undefined
  const [cell, targetCell] = [cellOf(from), cellOf(to)]
  if (cell === undefined || cell === targetCell) return undefined
  if (ARITHMETIC.includes(to) && cell === 'sqlite') return undefined
  const allowed = STORAGE_MAY_IMPORT[cell]
  if (allowed === undefined) return `"storage/${cell}" is no folder; name it in test/house/imports.ts`
  if (targetCell !== undefined && allowed.includes(targetCell)) return undefined
  return `but storage/${cell} may not import ${targetCell === undefined ? 'a file directly in storage' : `storage/${targetCell}`}`
}

/** The place of a file of `src/middleware/` in its order; NaN, which is neither above nor below, for a file that has none. */
function levelOf(path: string): number {
  const level = MIDDLEWARE_LEVELS.findIndex((names) => names.test(path.slice('src/middleware/'.length)))
  return level < 0 ? Number.NaN : level
}

/** `memory` for `src/storage/memory/…`; undefined for a file directly in the room. */
function cellOf(path: string): string | undefined {
  const parts = path.split('/')
  return parts.length > 3 ? parts[2] : undefined
}

const NODE_GLOBALS = new Set(['process', 'Buffer'])
const TIMERS = new Set(['setTimeout', 'setInterval', 'setImmediate'])
const FUNCTIONS = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'MethodProperty',
  'GetterProperty',
  'SetterProperty',
  'Constructor',
])
const NAMED_BY_KEY = new Set([
  'TsPropertySignature',
  'TsMethodSignature',
  'TsGetterSignature',
  'TsEnumMember',
])

/** Uses of `process` and `Buffer`, and timers that start when a module is merely loaded. */
function runtimeUses({ file, body, lineOf }: Parsed, onNode: boolean): string[] {
  if (onNode) return []
  const problems: string[] = []
  const visit = (node: SyntaxNode, deferred: boolean): void => {
    // swc gives `optional` to names that refer or bind, not to those after a dot or before a colon.
    const name = node.type === 'Identifier' && 'optional' in node ? node.value : viaGlobal(node)
    if (typeof name === 'string' && NODE_GLOBALS.has(name)) {
      problems.push(`${file.path}:${lineOf(node)}: uses ${name}, which not every runtime has`)
    }
    const callee = node.type === 'CallExpression' ? unwrap(node.callee) : undefined
    if (callee !== undefined && !deferred) {
      const timer = callee.type === 'Identifier' ? callee.value : viaGlobal(callee)
      if (typeof timer === 'string' && TIMERS.has(timer)) {
        problems.push(`${file.path}:${lineOf(node)}: ${timer} at module scope; start timers when asked to`)
      }
    }
    const instanceField = /^(Class|Private)Property$/.test(node.type) && node.isStatic !== true
    for (const [field, child] of childrenOf(node)) {
      if (NAMED_BY_KEY.has(node.type) && (field === 'key' || field === 'id') && !node.computed) continue
      const body = FUNCTIONS.has(node.type) || (instanceField && field === 'value')
      visit(child, deferred || body)
    }
    // A function that is called in place runs at once, so its body is checked as well.
    if (callee !== undefined && !deferred && FUNCTIONS.has(callee.type) && isNode(callee.body)) {
      visit(callee.body, false)
    }
  }
  for (const node of body) visit(node, false)
  return [...new Set(problems)]
}

/** The name in `globalThis.name`. */
function viaGlobal(node: SyntaxNode): unknown {
  if (node.type !== 'MemberExpression') return undefined
  const object = unwrap(node.object)
  const isGlobal = object?.type === 'Identifier' && object.value === 'globalThis'
  return isGlobal ? (node.property as SyntaxNode).value : undefined
}

function unwrap(node: unknown): SyntaxNode | undefined {
  if (!isNode(node)) return undefined
  return node.type === 'ParenthesisExpression' ? unwrap(node.expression) : node
}

/** All cycles of imports, each once. */
function cyclesOf(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = []
  const done = new Set<string>()
  const path: string[] = []
  const walk = (file: string): void => {
    const at = path.indexOf(file)
    if (at >= 0) {
      cycles.push(`cycle: ${[...path.slice(at), file].join(' -> ')}`)
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const target of edges.get(file) ?? []) walk(target)
    path.pop()
    done.add(file)
  }
  for (const file of edges.keys()) walk(file)
  return cycles
}
