import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { importsOf, packageOf } from './imports.js'
import { parse, readSources } from './source.js'

interface Lock {
  readonly packages: Record<
    string,
    { readonly version?: string; readonly resolved?: string; optionalDependencies?: object }
  >
}
// The path is not a literal, so that the compiler does not follow it: the scripts are plain JavaScript.
const script: string = '../../scripts/lock-missing.mjs'
const { missingPlatforms } = (await import(script)) as {
  missingPlatforms: (lock: Lock) => [name: string, entry: object][]
}
const LOCKS = ['package-lock.json', 'interop/package-lock.json']

describe.each(LOCKS)('the lock file %s', (path) => {
  const lock = JSON.parse(readFileSync(path, 'utf8')) as Lock

  test('lists every platform, without which npm ci refuses it', () => {
    expect(missingPlatforms(lock).map(([name]) => name)).toEqual([])
  })

  test('contains no download addresses', () => {
    const places = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined)
    expect(places).toEqual([])
  })
})

describe('a lock file', () => {
  test('with a missing platform is reported', () => {
    const packages = {
      '': {},
      'node_modules/tool': {
        dev: true,
        version: '1.0.0',
        optionalDependencies: {
          '@tool/linux-x64-musl': '1.0.0',
          '@tool/cli-darwin-arm64': '1.0.0',
          other: '1',
        },
      },
      'node_modules/@tool/linux-x64-musl': { version: '1.0.0' },
    }
    expect(missingPlatforms({ packages })).toEqual([
      [
        '@tool/cli-darwin-arm64',
        { version: '1.0.0', cpu: ['arm64'], dev: true, optional: true, os: ['darwin'] },
      ],
    ])
  })
})

test.each(['package.json', 'interop/package.json'])(
  'dependencies of %s are pinned to exact versions',
  (path) => {
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, string>>
    const { dependencies, devDependencies, optionalDependencies } = manifest
    const pinned = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    expect(
      pinned.filter(([, version]) => !/^(npm:[@\w/-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)),
    ).toEqual([])
  },
)

test('package.json declares every package that tests and scripts import', () => {
  const { name, dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    name: string
    dependencies: object
    devDependencies: object
  }
  const declared = new Set([name, ...Object.keys({ ...dependencies, ...devDependencies })])
  const isDeclared = (specifier: string): boolean =>
    specifier.startsWith('.') || isBuiltin(specifier) || declared.has(packageOf(specifier))
  const sources = ['test', 'scripts'].flatMap((folder) => [
    ...readSources('.', folder, '.ts'),
    ...readSources('.', folder, '.mjs'),
  ])
  // Parsing all of them takes seconds, so only those are parsed whose text seems to import something else.
  const suspects = sources.filter(({ text }) =>
    [...text.matchAll(/\b(?:from|import\(?) ?'([^']*)'/g)].some(
      ([, specifier = '']) => !isDeclared(specifier),
    ),
  )
  const undeclared = suspects.flatMap((source) =>
    importsOf(parse(source)).flatMap(({ specifier, line }) =>
      specifier === undefined || isDeclared(specifier)
        ? []
        : [`${source.path}:${line}: imports ${specifier}`],
    ),
  )
  expect(undeclared).toEqual([])
})
