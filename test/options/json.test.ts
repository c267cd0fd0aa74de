import fc from 'fast-check'
import { DEFAULTS, fromJson, readOptions } from '../../src/options/index.js'
import { refusal } from './refusal.js'

describe('fromJson', () => {
  test('reads options, and ignores $schema', () => {
    const text = '{ "$schema": "./options.schema.json", "throttle": "20/1m" }'
    expect(readOptions(fromJson(text))).toEqual({ ...DEFAULTS, throttle: { limit: '20/1m' } })
  })

  test('validates the options', () => {
    expect(refusal(() => fromJson('{ "throttle": { "limit": "20" } }'))).toMatch(
      /^limit\.invalid throttle\.limit: /,
    )
  })

  test('accepts a byte order mark, which some editors of Windows write', () => {
    expect(fromJson('\ufeff{ "throttle": "20/1m" }')).toEqual({ throttle: '20/1m' })
    expect(refusal(() => fromJson('\ufeff{ "a": tru }'))).toContain('line 1, column 8:')
  })

  const broken: [text: string, line: number, column: number][] = [
    ['', 1, 1],
    ['  \n ', 2, 2],
    ['{ "throttle": "20/1m",\n  "shadow" true }', 2, 12],
    ['{\n  "shadow": true,\n}', 3, 1],
    ['{ "a": [1, 2', 1, 13],
    ['{ "a": [1, ] }', 1, 12],
    ['{ "a": tru }', 1, 8],
    ["{ 'a': 1 }", 1, 3],
    ['{} {}', 1, 4],
    ['{ "a": "tab\t" }', 1, 8],
    ['{ "a": 01 }', 1, 9],
    ['{ "a" }', 1, 7],
    ['{ "a": 1 ]', 1, 10],
    ['[1}', 1, 3],
    ['// no comments\n{}', 1, 1],
  ]
  test.each(broken)('reports where %j is invalid', (text, line, column) => {
    expect(refusal(() => fromJson(text))).toBe(
      `option.invalid line ${line}, column ${column}: the JSON is invalid here. Check what precedes it, too.`,
    )
  })

  test('reports a position no later than that of the engine', () => {
    const cut = fc.tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '}', ']', '"', ':', '1', '\\'))
    fc.assert(
      fc.property(cut, ([json, at, junk]) => {
        const index = at % (json.length + 1)
        const text = json.slice(0, index) + junk + json.slice(index + 1)
        let position: number | undefined
        try {
          JSON.parse(text)
          return
        } catch (error) {
          const told = /at position (\d+)/.exec((error as Error).message)?.[1]
          position = told === undefined ? undefined : Number(told)
        }
        const column = /line 1, column (\d+):/.exec(refusal(() => fromJson(text)))?.[1]
        expect(column).toBeDefined()
        expect(Number(column) - 1).toBeLessThanOrEqual(position ?? text.length)
      }),
      { numRuns: 1000 },
    )
  })
})
