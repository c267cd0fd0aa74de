import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// The path is not a literal, so that the compiler does not follow it: the scripts are plain JavaScript.
const script: string = '../../scripts/lean.mjs'
const { leaveOutDescriptions } = (await import(script)) as {
  leaveOutDescriptions(files: readonly string[]): number
}

const folder = mkdtempSync(join(tmpdir(), 'sentinel-lean-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The code of a built file that is published. */
function published(code: string): string {
  const file = join(folder, 'built.js')
  writeFileSync(file, `import { option } from './schema.js'\n${code}\n`)
  leaveOutDescriptions([file])
  return readFileSync(file, 'utf8').split('\n')[1] as string
}

describe('what is published of an option', () => {
  test.each([
    ['its schema, without its description', `option(count, 'How many.')`, 'option(count)'],
    ['its default', `option(count, 'How many.', 50)`, `option(count, '', 50)`],
    ['its default beside a description by name', 'option(words, text, usual)', `option(words, '', usual)`],
    [
      'the defaults of options within it',
      `option(object({ on: option(flag, 'On.', true), of: option(text, 'Of.') }), 'More.', {})`,
      `option(object({ on: option(flag, '', true), of: option(text) }), '', {})`,
    ],
    [
      'nothing that only editors show',
      `option(count.meta({ not: {} }), 'How many – ½.', 5)`,
      `option(count, '', 5)`,
    ],
  ])('is %s', (_, code, expected) => {
    expect(published(code)).toBe(expected)
  })
})
