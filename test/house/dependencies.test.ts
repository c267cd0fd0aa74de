import { readFileSync } from 'node:fs'

interface Lock {
  readonly packages: Record<
    string,
    { readonly version?: string; readonly resolved?: string; optionalDependencies?: object }
  >
}
// By a name the compiler cannot follow: the scripts are plain JavaScript.
const script: string = '../../scripts/lock-missing.mjs'
const { missingPlatforms } = (await import(script)) as {
  missingPlatforms: (lock: Lock) => [name: string, entry: object][]
}
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock

describe('the lock file', () => {
  test('lists every platform, without which npm ci refuses it', () => {
    expect(missingPlatforms(lock).map(([name]) => name)).toEqual([])
  })

  test('holds no address of a registry', () => {
    const places = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined)
    expect(places).toEqual([])
  })

  test('is found wanting without a platform', () => {
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

test('dependencies are pinned to exact versions', () => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, Record<string, string>>
  const pinned = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
  expect(pinned.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([])
})
