import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

/** What the program found of one kind of update. */
interface Found {
  /** Bytes per update, without what grammY allocates. */
  readonly bytes: number
  /** Promises and timers created before the verdict. */
  readonly promises: number
  readonly timers: number
}

/** Within the repository, so that the bundle resolves its external packages. */
const FOLDER = '.cache/allocations'
let found: {
  readonly admitted: Found
  readonly refused: Found
  /** An admitted update, after the handler of an earlier one has failed. */
  readonly afterFailure: Pick<Found, 'bytes'>
  /** The same if old failures of its bot, and failures of another bot, have lesser and greater ids. */
  readonly amidFailures: Pick<Found, 'bytes'>
  /** The same with a guard in front of the handler. */
  readonly guarded: Pick<Found, 'bytes'>
  readonly guardedAfterFailure: Pick<Found, 'bytes'>
  /** Counts of a middleware that creates a promise and a timer on purpose. */
  readonly wasteful: Pick<Found, 'promises' | 'timers'>
}

beforeAll(async () => {
  await mkdir(FOLDER, { recursive: true })
  const bundle = join(process.cwd(), FOLDER, 'sentinel.mjs')
  // A single file, as it is built: jest’s own handling of modules allocates, too.
  await build({
    entryPoints: ['src/index.ts'],
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    outfile: bundle,
  })
  // Otherwise the results depend on how soon another thread has compiled a function, so on how busy the machine is.
  const steady = '--no-concurrent-recompilation'
  const args = ['--expose-gc', '--max-semi-space-size=128', steady, 'test/allocations.mjs', bundle]
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

  test('a middleware that creates both is detected', () => {
    expect(found.wasteful.promises).toBeGreaterThanOrEqual(1)
    expect(found.wasteful.timers).toBeGreaterThanOrEqual(1)
  })

  // Measured: 810 and 1,140 bytes, the same within one percent from run to run.
  test('an admitted update allocates less than 1000 bytes', () => {
    expect(found.admitted.bytes).toBeGreaterThan(100)
    expect(found.admitted.bytes).toBeLessThan(1000)
  })

  test('an admitted update allocates no more after the handler of an earlier one has failed', () => {
    expect(found.afterFailure.bytes).toBeLessThan(found.admitted.bytes + 25)
    expect(found.guardedAfterFailure.bytes).toBeLessThan(found.guarded.bytes + 25)
  })

  test('an admitted update allocates no more after failures of other bots, and once those of its bot are forgotten', () => {
    expect(found.amidFailures.bytes).toBeLessThan(found.admitted.bytes + 25)
  })

  test('a refused update allocates less than 1190 bytes', () => {
    expect(found.refused.bytes).toBeGreaterThan(100)
    expect(found.refused.bytes).toBeLessThan(1190)
  })
})
