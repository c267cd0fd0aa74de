import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { jest } from '@jest/globals'
import { transform } from 'esbuild'
import * as grammy from 'grammy'
import * as grammySentinel from '../../src/index.js'
import { snippetsOfPage } from '../house/docstrings.js'

/* The code of the pages is compiled by test/house; here it runs, and prints what the comments beside it say. */

const MODULES = new Map<string, object>([
  ['grammy', grammy],
  ['grammy-sentinel', grammySentinel],
])
const IMPORT = /^import \{([^}]*)\} from "([^"]+)";$/gm

async function run(code: string): Promise<string[]> {
  const printed: string[] = []
  const spy = jest.spyOn(console, 'log').mockImplementation((...values) => {
    printed.push(values.map((value) => inspect(value)).join(' '))
  })
  try {
    const { code: plain } = await transform(code, { loader: 'ts', format: 'esm' })
    const body = plain.replaceAll(
      IMPORT,
      (_, names: string, from: string) => `const {${names}} = modules.get(${JSON.stringify(from)});`,
    )
    expect(body).not.toMatch(/^import /m)
    const Async = Object.getPrototypeOf(run).constructor as new (
      ...parts: string[]
    ) => (modules: ReadonlyMap<string, object>) => Promise<void>
    await new Async('modules', body)(MODULES)
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
