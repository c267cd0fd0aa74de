import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

/** What the program found of one kind of update. */
interface Found {
  /** Bytes an update, in the middleware, without what grammY allocates. */
  readonly bytes: number
  /** Made before the verdict. */
  readonly promises: number
  readonly timers: number
}

/** Within the repository, so that the bundle finds the packages it leaves out. */
const FOLDER = '.cache/allocations'
let found: {
  readonly admitted: Found
  readonly refused: Found
  /** Of a middleware that wastes both on purpose. */
  readonly wasteful: Pick<Found, 'promises' | 'timers'>
}

beforeAll(async () => {
  await mkdir(FOLDER, { recursive: true })
  const bundle = join(process.cwd(), FOLDER, 'sentinel.mjs')
  // One file, as it is built: what jest makes of modules allocates by itself.
  await build({
    entryPoints: ['src/sentinel.ts'],
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    outfile: bundle,
  })
  const args = ['--expose-gc', '--max-semi-space-size=128', 'test/allocations.mjs', bundle]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 100_000 })
  found = JSON.parse(stdout)
})
afterAll(() => rm(FOLDER, { recursive: true, force: true }))

describe('in memory, before the verdict', () => {
  test.each(['admitted', 'refused'] as const)(
    'no promise and no timer is made for an update that is %s',
    (which) => {
      expect(found[which]).toMatchObject({ promises: 0, timers: 0 })
    },
  )

  test('that would be seen', () => {
    expect(found.wasteful.promises).toBeGreaterThanOrEqual(1)
    expect(found.wasteful.timers).toBeGreaterThanOrEqual(1)
  })

  // Measured: 795 and 1,105 bytes, the same within one percent from run to run.
  test('an update that is admitted allocates its facts, its question, the answer and its control', () => {
    expect(found.admitted.bytes).toBeGreaterThan(100)
    expect(found.admitted.bytes).toBeLessThan(1000)
  })

  test('an update that is refused allocates a verdict and what is told of it', () => {
    expect(found.refused.bytes).toBeGreaterThan(100)
    expect(found.refused.bytes).toBeLessThan(1350)
  })
})
