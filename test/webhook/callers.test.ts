import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import type { FetchInfo, Webhook } from '../../src/webhook/index.js'
import { says } from '../sentinel/desk.js'
import { post, SECRET, stand, stopped } from './stand.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const TELEGRAM = '149.154.167.220'

function mindful(proxies?: readonly string[]) {
  const at = stand({}, undefined, {
    addresses: 'telegram',
    ...(proxies !== undefined && { proxies }),
  })
  const warned: string[] = []
  at.guard.on('warning', ({ code }) => warned.push(code))
  return { ...at, warned }
}

describe('behind hono the address of the caller is known', () => {
  const ask = async (webhook: Webhook, env: object, request: Request, info?: FetchInfo): Promise<number> => {
    const app = new Hono().post('/hook', info === undefined ? webhook.hono : (c) => webhook.hono(c, info))
    return (await app.fetch(request, env)).status
  }
  const body = JSON.stringify(says(1, 'hello'))

  test.each<[string, (address: string) => object]>([
    ['Node', (address) => ({ incoming: { socket: { remoteAddress: address } } })],
    ['Deno', (address) => ({ remoteAddr: { transport: 'tcp', hostname: address, port: 1 } })],
    ['Bun', (address) => ({ requestIP: () => ({ address, family: 'IPv4', port: 1 }) })],
    ['Bun, among other things', (address) => ({ server: { requestIP: () => ({ address }) } })],
  ])('on %s', async (_, envOf) => {
    const { webhook, warned } = mindful()
    expect(await ask(webhook, envOf('8.8.8.8'), post(body))).toBe(403)
    expect(await ask(webhook, envOf(TELEGRAM), post(body))).toBe(200)
    expect(warned).toEqual([])
  })

  test.each<[string, (path: string) => object, object]>([
    [
      'Deno',
      (path) => ({ remoteAddr: { transport: 'unix', path } }),
      { remoteAddr: { transport: 'tcp', hostname: '8.8.8.8', port: 1 } },
    ],
    [
      'Bun',
      (address) => ({ requestIP: () => null, address }),
      // The request is over, so its address is unknown.
      { requestIP: () => null, address: { address: '0.0.0.0', family: 'IPv4', port: 1 } },
    ],
  ])('on %s, if a proxy calls by a Unix socket', async (_, envOf, tcp) => {
    const { webhook } = mindful(['unix'])
    const forwarded = (address: string) => post(body, { 'x-forwarded-for': address })
    expect(await ask(webhook, envOf('/run/bot.sock'), forwarded(TELEGRAM))).toBe(200)
    expect(await ask(webhook, envOf('/run/bot.sock'), forwarded('8.8.8.8'))).toBe(403)
    expect(await ask(webhook, tcp, forwarded(TELEGRAM))).toBe(403)
  })

  test('at Cloudflare, whose header is not trusted elsewhere', async () => {
    const { webhook, warned } = mindful()
    const claimed = () => post(body, { 'cf-connecting-ip': TELEGRAM })
    expect(await ask(webhook, {}, claimed())).toBe(403)
    expect(warned).toEqual(['webhook.address'])
    expect(await ask(webhook, {}, Object.assign(claimed(), { cf: { colo: 'AMS' } }))).toBe(200)
  })

  test('anywhere else, if it is passed', async () => {
    const { webhook, warned } = mindful()
    expect(await ask(webhook, {}, post(body), { address: TELEGRAM })).toBe(200)
    expect(await ask(webhook, {}, post(body), { address: '8.8.8.8' })).toBe(403)
    expect(warned).toEqual([])
  })
})

test.each([
  ['a missing header', new Headers().get('cf-connecting-ip')],
  ['an empty header', ''],
  ['a list of addresses', `${TELEGRAM}, 10.0.0.1`],
  ['a name', 'localhost'],
])('%s in place of the address of the caller is answered 403, and a warning says why', async (_, address) => {
  const { deliver, guard, warned } = mindful()
  const failures: unknown[] = []
  guard.on('error', ({ error }) => failures.push(error))
  expect(await deliver(says(1, 'hello'), { address })).toBe(403)
  expect([warned, failures]).toEqual([['webhook.address'], []])
})

test.each([`${TELEGRAM}:443`, `[::ffff:${TELEGRAM}]:443`])(
  'the address %s may have a port',
  async (address) => {
    const { deliver, warned } = mindful()
    expect(await deliver(says(1, 'hello'), { address })).toBe(200)
    expect(await deliver(says(1, 'hello'), { address: '8.8.8.8:443' })).toBe(403)
    expect(warned).toEqual([])
  },
)

test.each(['node:http', 'hono'])('a proxy may call by a Unix socket, behind %s', async (face) => {
  const folder = await mkdtemp(join(tmpdir(), 'callers-'))
  closing.push(() => rm(folder, { recursive: true }))
  const path = join(folder, 'bot.sock')
  const answers = async (proxies?: readonly string[]): Promise<readonly unknown[]> => {
    const at = mindful(proxies)
    const app = new Hono().post('/', at.webhook.hono)
    const server = createServer(face === 'hono' ? getRequestListener(app.fetch) : at.webhook.http)
    await new Promise<void>((done) => server.listen(path, done))
    const asked = (forwarded: string) =>
      new Promise<number | undefined>((done, fail) => {
        const headers = { 'x-telegram-bot-api-secret-token': SECRET, 'x-forwarded-for': forwarded }
        httpRequest({ socketPath: path, method: 'POST', headers, agent: false }, (response) => {
          response.resume()
          done(response.statusCode)
        })
          .on('error', fail)
          .end(JSON.stringify(says(1, 'hello')))
      })
    const statuses = [await asked(TELEGRAM), await asked('8.8.8.8')]
    await stopped(server)
    return statuses
  }
  expect(await answers(['unix'])).toEqual([200, 403])
  expect(await answers()).toEqual([403, 403])
})
