import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const program = resolve('dist/cli/main.js')

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs the built program with only the given environment. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  return new Promise((done, fail) => {
    execFile(process.execPath, [program, ...args], { env, cwd: folder }, (error, out, err) => {
      const code = error === null ? 0 : error.code
      if (typeof code === 'number') done({ code, out, err })
      else fail(error)
    })
  })
}

let folder: string
beforeAll(() => {
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build" first`)
  folder = mkdtempSync(join(tmpdir(), 'cli-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: unknown): string {
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  return name
}

describe('grammy-sentinel', () => {
  test('prints its usage, and exits with 0 on request, else with 2', async () => {
    const asked = await run(['--help'])
    expect(asked).toMatchObject({ code: 0, err: '' })
    expect(asked.out).toMatch(/^Usage: grammy-sentinel COMMAND\n[\s\S]*^ {2}config +\S/m)
    const bare = await run([])
    expect(bare).toMatchObject({ code: 2, out: '' })
    expect(bare.err).toContain(asked.out)
    expect(await run(['confg'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('no command "confg"'),
    })
  })

  test('prints its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(await run(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })
})

describe('config', () => {
  test.each([
    [['config'], 'Name a command: check or schema.'],
    [['config', 'chek'], '"chek" is not a command of config.'],
    [['config', 'a.json'], '"a.json" is not a command of config. Did you mean "config check a.json"?'],
    [['config', 'check'], 'Which file?'],
    [['config', 'check', 'a.json', 'b.json'], 'Name one file only.'],
    [['config', 'check', '--strict', 'a.json'], "Unknown option '--strict'"],
    [['config', 'schema', 'a.json'], "Unexpected argument 'a.json'"],
  ])('%j is wrong usage', async (args, told) => {
    const { code, out, err } = await run(args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err.startsWith(told)).toBe(true)
    expect(err).toContain('Usage: grammy-sentinel config check FILE [--env]')
  })

  test('--help prints its usage', async () => {
    const { code, out } = await run(['config', 'check', '--help'])
    expect(code).toBe(0)
    expect(out).toMatch(/^Usage: grammy-sentinel config check FILE \[--env\]\n/)
  })

  test('schema prints the published schema', async () => {
    const { code, out, err } = await run(['config', 'schema'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toBe(readFileSync('dist/options.schema.json', 'utf8'))
  })

  test('check prints the effective options and their sources', async () => {
    const name = file('right.json', {
      $schema: './options.schema.json',
      throttle: { limit: '20/1m', penalty: { bans: ['1m', '1h'] } },
      exempt: { owner: 7, users: [1, 2] },
      notices: { texts: { de: { limited: 'Langsam!' } } },
    })
    const env = { SENTINEL__THROTTLE__SCOPE: 'chat', SENTINEL__DEBOUNCE: '1s', SENTINEL__BLOCK: 'off' }
    expect(await run(['config', 'check', name, '--env'], env)).toEqual({
      code: 0,
      err: '',
      out: `right.json: ok
  block                     off       env
  once                      on        default
  auth                      off       default
  throttle.limit            20/1m     file
  throttle.penalty.bans     1m, 1h    file
  throttle.scope            chat      env
  debounce.window           1s        env
  debounce.on               tap       default
  concurrency               off       default
  membership                on        default
  users                     off       default
  limits                    off       default
  outgoing                  off       default
  settings                  off       default
  exempt.owner              7         file
  exempt.users              1, 2      file
  notices.texts.de.limited  Langsam!  file
  shadow                    off       default
`,
    })
  })

  test('check prints several limits, and ignores the environment by default', async () => {
    const name = file('limits.json', {
      throttle: [{ limit: { amount: 60, per: '1m', burst: 9 } }, { name: 'day', limit: '900/1d' }],
      debounce: false,
    })
    const { code, out } = await run(['config', 'check', name], { SENTINEL__NONSENSE: 'x' })
    expect(code).toBe(0)
    expect(out).toMatch(/^ {2}throttle\[0\]\.limit {2}60\/1m \(burst 9\) {2}file$/m)
    expect(out).toMatch(/^ {2}throttle\[1\]\.name {3}day {14}file$/m)
    expect(out).toMatch(/^ {2}debounce {11}off {14}file$/m)
  })

  test.each([
    [
      'an unknown role in a policy',
      { roles: { x: {} }, policies: { a: { roles: ['y'] } } },
      'policy a: requireRole: there is no role "y"',
    ],
    [
      'limits that do not fit into one plan',
      { throttle: Array.from({ length: 8 }, (_, nth) => ({ name: `n${nth}`, limit: '20/1m' })) },
      'plan.invalid',
    ],
  ])('check also reports errors that sentinel() would throw: %s', async (_, options, words) => {
    const { code, out, err } = await run(['config', 'check', file('unfit.json', options)])
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(words)
  })

  test('check reports all errors of the file and of the environment', async () => {
    const name = file('wrong.json', { throtle: '20/1m', throttle: { limit: '20', scope: 'usr' } })
    const { code, out, err } = await run(['config', 'check', name, '--env'], {
      SENTINEL__DEBUNCE: 's3cret',
      SENTINEL__STORAGE: 'redis://me:s3cret@host',
    })
    expect({ code, out }).toEqual({ code: 1, out: '' })
    const lines = err.trimEnd().split('\n')
    expect(lines[0]).toBe('wrong.json: 5 problems')
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(
        /^ {2}throtle: there is no such option\. Did you mean "throttle"\? .*\[option\.unknown\]$/,
      ),
      expect.stringMatching(/^ {2}throttle\.limit: "20" is not a limit\. Write .*\[limit\.invalid\]$/),
      expect.stringMatching(/^ {2}throttle\.scope: "usr" is wrong; .*\[scope\.unknown\]$/),
      expect.stringMatching(
        /^ {2}SENTINEL__DEBUNCE: .*Did you mean "SENTINEL__DEBOUNCE"\? .*\[option\.unknown\]$/,
      ),
      '  SENTINEL__STORAGE: can only be set in code. [option.invalid]',
    ])
    expect(err).not.toContain('s3cret')
  })

  test('check reports options that are wrong only in combination', async () => {
    const name = file('half.json', { throttle: { name: 'own', scope: 'chat' }, debounce: { on: ['tap'] } })
    const { code, err } = await run(['config', 'check', name, '--env'], {
      SENTINEL__DEBOUNCE__MODE: 'trailing',
      SENTINEL__DEBOUNCE__WINDOW: '2s',
    })
    expect(code).toBe(1)
    expect(err).toMatch(/^half\.json: 1 problem\n {2}debounce\.on: only messages are collected\./)
  })

  test('check reports where the JSON is invalid, and which file cannot be read', async () => {
    const broken = await run(['config', 'check', file('broken.json', '{\n  "shadow" true\n}')])
    expect(broken).toEqual({
      code: 1,
      out: '',
      err: 'broken.json: 1 problem\n  line 2, column 12: the JSON is invalid here. Check what precedes it, too. [option.invalid]\n',
    })
    const missing = await run(['config', 'check', 'missing.json'])
    expect(missing.code).toBe(1)
    expect(missing.err).toMatch(/^missing\.json: 1 problem\n {2}cannot be read: ENOENT: /)
  })

  test('check accepts a byte order mark, as Windows editors write it', async () => {
    const checked = await run(['config', 'check', file('bom.json', '\uFEFF{ "shadow": true }')])
    expect(checked).toMatchObject({ code: 0, err: '' })
  })
})
