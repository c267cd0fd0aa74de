import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(process.cwd(), 'src/telegram')
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
)

function importsOf(name: string): string[] {
  const source = readFileSync(join(root, name), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  return [...source.matchAll(/^((?:import|export)\s[^'"]*?)from '([^']+)'/gm)]
    .filter(([, clause, from]) => !(from === 'grammy' && clause?.startsWith('import type ')))
    .map((match) => match[2] ?? '')
}

test('the embedded Telegram imports only the core, Node and types of grammY and the Bot API, and no guards', () => {
  const allowed = /^(?:node:[\w/]+|grammy\/types|(?:\.\.\/)+core\/\w+\.js|\.{1,2}\/.*\.js)$/
  const outside =
    /^(?:\.\.\/)+(?:middleware|storage|policies|decorators|users|hooks|outgoing|observability)\//
  for (const name of sources)
    for (const imported of importsOf(name)) {
      // The control API is loaded on demand, and parses its input with schemas.
      if (name.startsWith('control') && imported === 'zod') continue
      expect(`${name}: ${imported}`).toMatch(new RegExp(`: ${allowed.source.slice(1)}`))
      expect(imported).not.toMatch(outside)
    }
})

test('the world imports neither HTTP nor the people who act in it', () => {
  for (const name of sources.filter((source) => source.startsWith('world')))
    for (const imported of importsOf(name)) expect(imported).not.toMatch(/node:http|bot-api|people/)
})

test('the control API is imported only by itself', () => {
  for (const name of sources.filter((source) => !source.startsWith('control')))
    for (const imported of importsOf(name)) expect(`${name}: ${imported}`).not.toMatch(/\/control\/|: zod$/)
})
