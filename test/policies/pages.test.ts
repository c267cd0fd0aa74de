import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { jest } from '@jest/globals'
import * as grammy from 'grammy'
import * as grammySentinel from '../../src/index.js'
import { snippetsOfPage } from '../house/docstrings.js'
import { runPageCode } from '../house/page-code.js'

/* The code of the pages is compiled by test/house; here it runs, and prints what the comments beside it say. */

const MODULES = new Map<string, object>([
  ['grammy', grammy],
  ['grammy-sentinel', grammySentinel],
])
async function run(code: string): Promise<string[]> {
  const printed: string[] = []
  const spy = jest.spyOn(console, 'log').mockImplementation((...values) => {
    printed.push(values.map((value) => inspect(value)).join(' '))
  })
  try {
    await runPageCode(code, MODULES)
  } finally {
    spy.mockRestore()
  }
  return printed
}

describe.each(['docs/policies.md', 'docs/settings.md'])('%s', (path) => {
  const snippets = snippetsOfPage({ path, text: readFileSync(path, 'utf8') }).map(
    ({ line, code }) => [line, code] as const,
  )

  test.each(snippets)('the code at line %i runs, and prints the documented output', async (_, code) => {
    const said = [...code.matchAll(/^console\.log\(.*\) \/\/ (.+)$/gm)].map(([, words]) => words)
    const printed = await run(code)
    for (const words of said) expect(printed).toContain(words)
  })

  test('has code', () => {
    expect(snippets.length).toBeGreaterThanOrEqual(3)
  })
})
