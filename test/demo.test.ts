import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { startTelegram } from '../src/telegram/index.js'

const SCRIPT = 'scripts/demo.mjs'
const COMPILED = '.cache/examples/demo/main.js'
const ACTORS = ['Anna', 'Boris', 'Felix', 'Dora', 'Mallory', 'Nina', 'Alba', 'Ada', 'Bea', 'Raiders', 'Rita']

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
  readonly seconds: number
}

const folder = mkdtempSync(join(tmpdir(), 'sentinel-demo-'))
const running = new Set<ChildProcess>()
afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

/** Runs a Node program without tokens and options from the current environment. */
function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(BOT_TOKEN|TELEGRAM_API_ROOT|SENTINEL__.*|NODE_OPTIONS)$/i.test(name),
  )
  const begun = performance.now()
  const child = spawn(process.execPath, [...args], {
    env: { ...Object.fromEntries(clean), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const ended = new Promise<Ended>((fulfil, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      running.delete(child)
      fulfil({ code, out, err, seconds: (performance.now() - begun) / 1000 })
    })
  })
  return { child, ended }
}

const run = (args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> =>
  start(args, env).ended

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** Returns the lines that say how actors were treated. */
const marksOf = (out: string): string[] => out.split('\n').filter((line) => /^[✔✘] /.test(line))

function expectRightlyTreated({ code, out, err, seconds }: Ended): void {
  expect(err).toBe('')
  const marks = marksOf(out)
  expect(marks.filter((line) => !line.startsWith('✔ '))).toEqual([])
  expect(marks.map((line) => (line.split(/[ ,]/)[1] as string).trim())).toEqual(ACTORS)
  expect(out).toMatch(/^passed \d+, stopped \d+: throttle\.limited \d+/m)
  expect(out).toMatch(/^added latency p50 \d+ µs, p99 \d+ µs$/m)
  expect(code).toBe(0)
  expect(seconds).toBeLessThan(30)
}

/** The first run builds and compiles the demo if necessary; later runs use the compiled files. */
let first: Ended
/** Demos that run concurrently, because they mostly pause. */
let casts: Readonly<Record<'given' | 'unlimited' | 'open', Promise<Ended>>> & {
  readonly shared?: Promise<Ended>
}

beforeAll(async () => {
  first = await run([SCRIPT])
  const own = file('lines.txt', '\ufeffодно\r\n\n/vip is not a command here\n\u001b[31mred\u001b[0m\n+\n')
  // Real sentences, if they exist next to the project.
  const shared = resolve('..', 'shared', 'data', 'telegram-ham.txt')
  casts = {
    given: run([COMPILED, '--lines', own]),
    ...(existsSync(shared) && { shared: run([COMPILED, '--lines', shared]) }),
    unlimited: run([COMPILED], { SENTINEL__THROTTLE: 'false' }),
    open: run([COMPILED], {
      SENTINEL__BLOCK: 'false',
      SENTINEL__ONCE: 'false',
      SENTINEL__AUTH: 'false',
      SENTINEL__DEBOUNCE: 'false',
      SENTINEL__THROTTLE: '5/1m',
    }),
  }
})

describe('the demo', () => {
  test('treats all actors according to their roles, and prints every verdict', () => {
    expectRightlyTreated(first)
    for (const told of [
      /^\+ \d+ Anna: message passed {2}“/m,
      /^- \d+ Felix: message stopped by throttle\.user: limited, again in /m,
      /^- \d+ Dora: callback_query stopped by debounce\.leading: repeated/m,
      /^- \d+ Mallory: callback_query stopped by block\.actor: blocked/m,
      /^- \d+ Nina: message stopped by auth\.registered: unregistered/m,
      /^- \d+ Rita: message stopped by once\.update: duplicate/m,
      /^ {2}Raider 6: joined in Plaza$/m,
      /^ {2}Raider 1: blocked from now on, came with a raid$/m,
    ])
      expect(first.out).toMatch(told)
  })

  test('uses given sentences', async () => {
    const given = await casts.given
    expectRightlyTreated(given)
    for (const said of ['“одно”', '“vip is not a command here”', '“red”']) expect(given.out).toContain(said)
    expect(given.out).not.toContain('\u001b')
    if (casts.shared !== undefined) expectRightlyTreated(await casts.shared)
  })

  const wrongOf = ({ out }: Ended): string[] => marksOf(out).filter((line) => line.startsWith('✘ '))

  test('fails without the throttle, and names the flooder', async () => {
    const { code, out, seconds } = await casts.unlimited
    expect(code).toBe(1)
    expect(wrongOf({ code, out, err: '', seconds })).toHaveLength(1)
    expect(out).toContain('Not treated as the role demands: Felix (flooder).')
    expect(seconds).toBeLessThan(30)
  })

  test('fails without the other guards and with a limit that is too low', async () => {
    const ended = await casts.open
    expect(ended.code).toBe(1)
    expect(wrongOf(ended)).toHaveLength(ACTORS.length)
    expect(ended.seconds).toBeLessThan(30)
  })
})

describe('a recording', () => {
  const message = (id: number, from: number, text: string, date: number): string =>
    JSON.stringify({
      update_id: id,
      message: {
        message_id: id,
        date,
        chat: { id: from, type: 'private', first_name: 'Zoe' },
        from: { id: from, is_bot: false, first_name: 'Zoe' },
        text,
      },
    })

  test('is replayed in its own time, with its update ids and without printing texts', async () => {
    const flood = Array.from({ length: 10 }, (_, index) => message(100 + index, 7, 'a secret', 1_700_000_000))
    const later = [message(110, 7, 'a secret', 1_700_000_060), message(105, 7, 'a secret', 1_700_000_060)]
    const path = file(
      'updates.jsonl',
      `${[...flood, '', ...later, '{"update_id":111,"newfangled":{}}'].join('\n')}\n`,
    )
    const { code, out } = await run([COMPILED, '--updates', path])
    const verdicts = out.split('\n').filter((line) => /^[+-] /.test(line))
    expect(verdicts.slice(0, 8)).toEqual(
      flood.slice(0, 8).map((_, index) => `+ ${100 + index} u7: message passed`),
    )
    expect(verdicts.slice(8, 10).join('\n')).toMatch(
      /^- 108 u7: message stopped by throttle\.user.*\n- 109 u7/,
    )
    expect(verdicts.slice(10)).toEqual([
      '+ 110 u7: message passed',
      '- 105 u7: message stopped by once.update: duplicate',
      '+ 111 nobody: newfangled passed',
    ])
    expect(out).not.toContain('secret')
    expect(out).toContain('passed 10, stopped 3: throttle.limited 2, once.duplicate 1')
    expect(out).toContain('fed 13 of 13 lines')
    expect(code).toBe(0)
  })

  test('is replayed as far as possible, and broken lines are named by number', async () => {
    const lines = [
      message(1, 7, 'hi', 1_700_000_000),
      '{"update_id":2',
      '[]',
      '{"update_id":"x","message":{}}',
      message(5, 8, 'hi', 1_700_000_001),
    ]
    const { code, out } = await run([COMPILED, '--updates', file('broken.jsonl', lines.join('\n'))])
    expect(out.match(/^! line \d+/gm)).toEqual(['! line 2', '! line 3', '! line 4'])
    expect(out).toContain('fed 2 of 5 lines')
    expect(code).toBe(1)
  })
})

describe('the command line', () => {
  test.each([
    ['an unknown flag', ['--sabotage'], /--sabotage[\s\S]*npm run demo --/],
    ['an argument too many', ['lines.txt'], /lines\.txt[\s\S]*npm run demo --/],
    ['two sources', ['--lines', 'a', '--updates', 'b'], /give one of the two/],
    ['a file that is not there', ['--lines', join(folder, 'nowhere.txt')], /--lines .*nowhere\.txt: ENOENT/],
    ['a recording that is a folder', ['--updates', folder], /--updates .*: EISDIR/],
    ['sentences that are no UTF-8', ['--lines', file('latin.txt', Uint8Array.of(0xe9, 10))], /is not UTF-8/],
    ['a file without sentences', ['--lines', file('empty.txt', '\n  \n')], /there is no sentence in it/],
  ])(
    'refuses %s with exit code 2',
    async (_, args, complaint) => {
      const { code, out, err } = await run([COMPILED, ...args])
      expect(err).toMatch(complaint)
      expect(out).toBe('')
      expect(code).toBe(2)
    },
    30_000,
  )

  test('refuses an unknown option of the guard', async () => {
    const { code, err } = await run([COMPILED], { SENTINEL__THROTLE: '1/1m' })
    expect(err).toContain('SENTINEL__THROTLE')
    expect(code).toBe(2)
  })
})

describe('with a token of Telegram', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'runs until %s and exits cleanly',
    async (signal) => {
      const telegram = await startTelegram({ patience: '20s' })
      try {
        const account = telegram.createBot({ username: 'live_bot' })
        const alice = telegram.createUser({ firstName: 'Alice' })
        const env = { BOT_TOKEN: account.token, TELEGRAM_API_ROOT: telegram.apiRoot }
        const { child, ended } = start([COMPILED], env)
        await alice.to(account).sends('something private')
        await alice.hears('Noted')
        await telegram.settled()
        child.kill(signal)
        const { code, out, err } = await ended
        expect(out).toContain('@live_bot is on')
        expect(out).toContain(`u${alice.id}: message passed`)
        expect(out).toContain('passed 1, stopped 0')
        expect(`${out}${err}`).not.toMatch(new RegExp(`private|Alice|${account.token.split(':')[1]}`))
        expect(code).toBe(0)
        // The bot confirmed the updates that it had handled.
        expect(account.pending).toBe(0)
      } finally {
        await telegram.close()
      }
    },
    60_000,
  )

  const TOKEN = `5:${'wrong-secret'.repeat(3)}`

  test('fails if Telegram refuses the token', async () => {
    const telegram = await startTelegram()
    try {
      const env = { BOT_TOKEN: TOKEN, TELEGRAM_API_ROOT: telegram.apiRoot }
      const { code, out, err } = await run([COMPILED], env)
      expect(out).toContain('The bot could not go on')
      expect(`${out}${err}`).not.toContain('wrong-secret')
      expect(code).toBe(1)
    } finally {
      await telegram.close()
    }
  })

  test.each(['wrong-secret', '5:wrong-secret', `${TOKEN} `, `${TOKEN}!`])(
    'refuses to start with the invalid token %j',
    async (token) => {
      const { code, out, err } = await run([COMPILED], { BOT_TOKEN: token })
      expect(err).toMatch(/^BOT_TOKEN: this is not a token of a bot\..*\n$/)
      expect(`${out}${err}`).not.toContain('wrong-secret')
      expect(code).toBe(2)
    },
    30_000,
  )

  const nowhere = { BOT_TOKEN: TOKEN, TELEGRAM_API_ROOT: 'http://127.0.0.1:9' }

  test('gives up when Telegram is unreachable, and says why once', async () => {
    const { code, out, err } = await run([COMPILED], nowhere)
    expect(out.match(/out of reach: .*127\.0\.0\.1:9/g)).toHaveLength(1)
    expect(out).toContain('The bot could not go on: it was not reached in 3 tries')
    expect(`${out}${err}`).not.toContain('wrong-secret')
    expect(code).toBe(1)
  })

  test('can be interrupted while Telegram is unreachable', async () => {
    const { child, ended } = start([COMPILED], nowhere)
    await new Promise((told) => child.stdout?.once('data', told))
    child.kill('SIGINT')
    const { code, out, err } = await ended
    expect(`${out}${err}`).not.toContain('wrong-secret')
    expect(code).toBe(0)
  })
})
