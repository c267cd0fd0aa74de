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

test('the embedded Telegram knows the core, Node and the types of grammY and the Bot API, and nothing of the guards', () => {
  const allowed = /^(?:node:[\w/]+|grammy\/types|(?:\.\.\/)+core\/\w+\.js|\.{1,2}\/.*\.js)$/
  const outside =
    /^(?:\.\.\/)+(?:middleware|storage|policies|decorators|users|hooks|outgoing|observability)\//
  for (const name of sources)
    for (const imported of importsOf(name)) {
      // Loaded on demand, and what it is sent is read by schemas.
      if (name.startsWith('control') && imported === 'zod') continue
      expect(`${name}: ${imported}`).toMatch(new RegExp(`: ${allowed.source.slice(1)}`))
      expect(imported).not.toMatch(outside)
    }
})

test('the world knows nothing of HTTP nor of the people who play in it', () => {
  for (const name of sources.filter((source) => source.startsWith('world')))
    for (const imported of importsOf(name)) expect(imported).not.toMatch(/node:http|bot-api|people/)
})

test('the control API is loaded by nobody who does not ask for it', () => {
  for (const name of sources.filter((source) => !source.startsWith('control')))
    for (const imported of importsOf(name)) expect(`${name}: ${imported}`).not.toMatch(/\/control\/|: zod$/)
})
