import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { resolve } from 'node:path'

const program = resolve('dist/cli/main.js')
const TOKEN = 'a-token-of-the-test'

interface Served {
  readonly api_root: string
  readonly control: { readonly url: string; readonly token: string }
  readonly bots: readonly { readonly id: number; readonly username: string; readonly token: string }[]
}

beforeAll(() => {
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build" first`)
})

const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0))
    if (child.exitCode === null && child.signalCode === null) await ended(child, 'SIGKILL')
})

/** Starts the built program, and returns its output up to the complete first message. */
async function serves(...args: string[]): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [program, 'telegram', '--port', '0', ...args], {
    env: { TELEGRAM_CONTROL_TOKEN: TOKEN },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  let said = ''
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    said += chunk.toString()
    if (/Bearer|\}\n/.test(said)) break
  }
  return { child, said }
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  return new Promise((done) => {
    child.once('exit', (code) => done(code))
    child.kill(signal)
  })
}

function runs(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [program, 'telegram', ...args], { env: {} }, (error, out, err) => {
      done({ code: error === null ? 0 : error.code, out, err })
    })
  })
}

/** A bot without a library, as in any other language: it repeats every message. */
const PARROT = `
const root = process.argv[1]
const call = async (method, params) => (await (await fetch(root + '/' + method, {
  method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(params),
})).json()).result
for (let offset = 0;;) {
  for (const { update_id, message } of await call('getUpdates', { offset, timeout: 20 })) {
    offset = update_id + 1
    await call('sendMessage', { chat_id: message.chat.id, text: 'You said ' + message.text })
  }
}`

test('serves a bot in another process, and a control API to tests', async () => {
  const { child, said } = await serves('--json', '--bot', 'parrot_bot', '--clock', 'virtual')
  const { api_root, control, bots } = JSON.parse(said) as Served
  expect(control.token).toBe(TOKEN)
  const [account] = bots
  const root = `${api_root}/bot${account?.token}`
  const parrot = spawn(process.execPath, ['--input-type=module', '-e', PARROT, root], { stdio: 'inherit' })
  children.push(parrot)
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${control.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return response.json()
  }
  const { id: alice } = (await ask('POST', '/users', { first_name: 'Alice' })) as { id: number }
  await ask('POST', '/acts', { does: 'sends', who: alice, to: account?.id, text: 'polly' })
  expect(await ask('GET', `/users/${alice}/heard?text=You said&wait=20s`)).toMatchObject([
    { text: 'You said polly', from: { username: 'parrot_bot' } },
  ])
  expect(await ask('GET', '/calls?method=sendMessage')).toMatchObject([{ params: { chat_id: alice } }])
  const before = (await ask('GET', '/clock')) as { now: number }
  expect(await ask('GET', '/clock')).toEqual(before)
  await ended(parrot, 'SIGKILL')
  expect(await ended(child, 'SIGTERM')).toBe(0)
})

test('prints its URLs, and ends when interrupted', async () => {
  const { child, said } = await serves('--bot', 'shop_bot')
  expect(said).toMatch(/^Bot API: {2}http:\/\/127\.0\.0\.1:\d+ \(its document: \S+\/openapi\.json\)\n/)
  expect(said).toMatch(/^Control: {2}http:\/\/127\.0\.0\.1:\d+\/control /m)
  expect(await ended(child, 'SIGINT')).toBe(0)
})

test.each<[string[], RegExp]>([
  [['--port', 'http'], /^--port takes a number/],
  [['--clock', 'slow'], /^--clock takes real or virtual/],
  [['--port', '0', '--bot', 'shop'], /does not end in "bot"/],
  [['world'], /Unexpected argument 'world'/],
])(
  '%j is wrong usage',
  async (args, words) => {
    const { code, out, err } = await runs(...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(words)
    expect(err).toContain('Usage: grammy-sentinel telegram')
  },
  30_000,
)

test('a port in use is reported', async () => {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const { code, err } = await runs('--port', String(port))
  expect(code).toBe(1)
  expect(err).toBe(`Cannot listen on 127.0.0.1, port ${port}: EADDRINUSE. Try another --port.\n`)
  await new Promise((done) => server.close(done))
})
