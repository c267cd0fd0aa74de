import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

type Step = readonly [name: string, args: readonly string[]]
interface Groups {
  runGroups(
    groups: readonly (readonly Step[])[],
    options: { readonly folder: string; readonly print: (text: string) => void },
  ): Promise<{
    readonly broken: readonly { name: string; code: number }[]
    readonly times: readonly string[]
  }>
}
// The path is not a literal, so that the compiler does not follow it: the scripts are plain JavaScript.
const script: string = '../../scripts/groups.mjs'
const { runGroups } = (await import(script)) as Groups

const step = (name: string, program: string): Step => [name, ['--eval', program]]

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sentinel-groups-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function run(...groups: (readonly Step[])[]) {
  const printed: string[] = []
  const results = await runGroups(groups, { folder, print: (text) => printed.push(text) })
  return { ...results, printed }
}

test('every step of a group that fails is reported, and later groups do not start', async () => {
  const { broken, times, printed } = await run(
    [step('passes alone', '')],
    [
      step('lint', 'console.log("no semicolon"); process.exitCode = 1'),
      step('build', 'console.log("built")'),
      step('types', 'console.error("no such type"); process.exitCode = 2'),
    ],
    [step('late', '')],
  )
  expect(broken).toEqual([
    { name: 'lint', code: 1 },
    { name: 'types', code: 2 },
  ])
  expect(times.map((time) => time.replace(/ [\d.]+ s$/, '')).sort()).toEqual([
    'build',
    'lint',
    'passes alone',
    'types',
  ])
  // Names are printed when a group starts, outputs when their step has ended.
  expect(printed.slice(0, 2)).toEqual(['\n== passes alone', '\n== lint, build, types'])
  expect(printed.slice(2).sort()).toEqual([
    '\n== build\nbuilt',
    '\n== lint\nno semicolon',
    '\n== types\nno such type',
  ])
})

test('nothing is reported if all steps pass', async () => {
  const { broken } = await run([step('one', ''), step('two', '')], [step('three', '')])
  expect(broken).toEqual([])
})
