// The project that docs/testing.md has its readers make, made of what the page says and nothing else: it compiles, and its test is green.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/testing.md'), 'utf8')
const blocks = [...page.matchAll(/^```(\w+).*\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
  language,
  code,
}))

/** The only block in a language that has all of these words. */
function block(language, ...words) {
  const found = blocks.filter(
    (each) => each.language === language && words.every((word) => each.code.includes(word)),
  )
  assert.equal(found.length, 1, `${found.length} blocks of docs/testing.md have ${words.join(' and ')}`)
  return found[0].code
}

const folder = mkdtempSync(join(tmpdir(), 'testing-page-'))
try {
  // What the page has installed; by links, for no registry is asked here.
  const installs = [...page.matchAll(/npm install (?:--save-dev )?([@\w/. -]+)/g)].flatMap(([, names]) =>
    names.trim().split(' '),
  )
  for (const name of installs) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(name === 'grammy-sentinel' ? root : join(root, 'node_modules', name), link)
  }
  const put = (name, text) => writeFileSync(join(folder, name), text)
  put('package.json', JSON.stringify({ name: 'shop-bot', type: 'module' }))
  put('jest.config.js', block('js', 'extensionsToTreatAsEsm'))
  put('tsconfig.json', block('json', 'compilerOptions'))
  put('bot.ts', block('ts', 'export function makeBot'))
  const story = block('ts', 'spammers are banned')
  put('bot.test.ts', story)
  const otherStory = block('ts', 'node:test', 't.after')
  put('other.ts', otherStory)

  run('node_modules/typescript/bin/tsc', '--noEmit')
  const script = /`node (--experimental-vm-modules) (\S+)`[^`]*`"test"` script/.exec(page)
  assert.ok(script, 'docs/testing.md does not say how jest is run')
  run(script[1], script[2])

  // A failing test ends, too, although its bot polls.
  const red = (code) => code.replace(/hears\('Welcome[^']*'\)/, "hears('Farewell')")
  put('bot.test.ts', red(story))
  runRed(script[1], script[2])
  put('bot.js', withoutTypes(block('ts', 'export function makeBot')))
  put('other.test.js', red(otherStory))
  runRed('--test', 'other.test.js')

  inCommonJs(story)
  console.log(`${installs.length} packages, tsc and jest as docs/testing.md says`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/**
 * The same story in a project in CommonJS. pnpm puts packages where `transformIgnorePatterns` has to name one more folder. They are
 * copied, because jest compares real paths.
 */
function inCommonJs(story) {
  const project = join(folder, 'commonjs')
  const modules = join(project, 'node_modules')
  for (const name of ['grammy-sentinel', 'cockatiel']) {
    const place = join(modules, '.pnpm', `${name}@1.0.0`, 'node_modules', name)
    const source = name === 'grammy-sentinel' ? root : join(root, 'node_modules', name)
    for (const part of ['package.json', 'dist'])
      cpSync(join(source, part), join(place, part), { recursive: true })
    symlinkSync(place, join(modules, name))
  }
  for (const name of ['grammy', 'zod', '@swc'])
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  const put = (name, text) => writeFileSync(join(project, name), text)
  put('package.json', JSON.stringify({ name: 'nest-bot' }))
  put('jest.config.js', block('js', 'module.exports', 'transformIgnorePatterns'))
  put('bot.ts', block('ts', 'export function makeBot'))
  // grammy-sentinel/redis imports cockatiel.
  put('bot.test.ts', `import 'grammy-sentinel/redis'\n${story.replace('./bot.js', './bot')}`)
  run(join(root, 'node_modules/jest/bin/jest.js'), '--config', join(project, 'jest.config.js'))
}

/** The bot in JavaScript, as a reader without TypeScript writes it. */
function withoutTypes(code) {
  return code
    .replace(', type BotConfig, type Context', '')
    .replace(/\(token: string, config: .*\): Bot \{/, '(token, config = {}) {')
}

function runRed(...args) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  })
  const said = `node ${args.join(' ')}\n${stdout}${stderr}`
  assert.equal(signal, null, `does not end: ${said}`)
  assert.equal(status, 1, said)
  assert.match(said, /did not hear "Farewell"/)
}

function run(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
  assert.equal(status, 0, `node ${args.join(' ')}\n${stdout}${stderr}`)
}
