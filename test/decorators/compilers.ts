import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { transformSync } from '@swc/core'
import * as decorators from '../../src/decorators/index.js'
import * as sentinel from '../../src/index.js'

const MODULES = new Map<string, object>([
  ['grammy-sentinel', sentinel],
  ['grammy-sentinel/decorators', decorators],
])

/** How compilers treat classes. `assigned`: the constructor assigns the fields, which calls setters. */
export const COMPILERS = {
  'swc, standard': (path) => swc(path, { decoratorVersion: '2022-03' }),
  'swc, experimentalDecorators, fields defined': (path) =>
    swc(path, { legacyDecorator: true, useDefineForClassFields: true }),
  'swc, experimentalDecorators, fields assigned': (path) =>
    swc(path, { legacyDecorator: true, useDefineForClassFields: false }),
  'esbuild, standard': (path) => esbuild(path, {}),
  'esbuild, experimentalDecorators, fields defined': (path) =>
    esbuild(path, { experimentalDecorators: true, useDefineForClassFields: true }),
  'esbuild, experimentalDecorators, fields assigned': (path) =>
    esbuild(path, { experimentalDecorators: true, useDefineForClassFields: false }),
} satisfies Readonly<Record<string, (path: string) => string>>

/** Compiles a file once, and runs it with each call; returns its exports. */
const texts = new WeakMap<(path: string) => string, Map<string, string>>()

export function compiled<M>(path: string, compiler: (path: string) => string): M {
  const module = { exports: {} }
  const require = (name: string): object => {
    const found = MODULES.get(name)
    if (found === undefined) throw new Error(`${path} imports ${name}`)
    return found
  }
  const known = texts.get(compiler) ?? new Map<string, string>()
  const text = known.get(path) ?? compiler(path)
  texts.set(compiler, known.set(path, text))
  new Function('module', 'exports', 'require', text)(module, module.exports, require)
  return module.exports as M
}

function swc(path: string, transform: object): string {
  const { code } = transformSync(readFileSync(path, 'utf8'), {
    swcrc: false,
    configFile: false,
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform,
      target: 'es2022',
      keepClassNames: true,
      externalHelpers: false,
    },
    module: { type: 'commonjs' },
  })
  return code
}

function esbuild(path: string, compilerOptions: object): string {
  const tsconfig = JSON.stringify({ compilerOptions })
  const args = [
    '--format=cjs',
    '--target=es2022',
    '--keep-names',
    `--tsconfig-raw=${tsconfig}`,
    '--loader=ts',
  ]
  return execFileSync('node_modules/.bin/esbuild', args, { input: readFileSync(path), encoding: 'utf8' })
}
