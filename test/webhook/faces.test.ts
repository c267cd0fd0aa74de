import { EventEmitter } from 'node:events'
import { createServer, request as httpRequest, type Server } from 'node:http'
import { connect } from 'node:net'
import { serve } from '@hono/node-server'
import fastify from 'fastify'
import { Hono } from 'hono'
import { says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { gate, listening as open, SECRET, type Stand, stand, stopped } from './stand.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

function listening(server: Server): Promise<string> {
  closing.push(() => stopped(server))
  return open(server)
}

type Face = (at: Stand) => Promise<string>
const FACES: readonly (readonly [string, Face])[] = [
  ['node:http', (at) => listening(createServer(at.webhook.http))],
  [
    'fastify',
    async (at) => {
      const app = fastify()
      await app.register(at.webhook.fastify, { path: '/hook' })
      // Other routes of the app keep their own parsers.
      app.post('/echo', (request) => request.body)
      closing.push(() => app.close())
      return `${await app.listen({ port: 0, host: '127.0.0.1' })}/hook`
    },
  ],
  [
    'hono',
    async (at) => {
      const app = new Hono()
      app.post('/hook', at.webhook.hono)
      app.get('/hook', at.webhook.hono)
      return listening(
        await new Promise<Server>((done) => {
          const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () =>
            done(server as Server),
          )
        }),
      )
    },
  ],
  [
    'node:http behind a body parser',
    (at) =>
      listening(
        createServer(async (request, response) => {
          const chunks: Buffer[] = []
          for await (const chunk of request) chunks.push(chunk as Buffer)
          const text = Buffer.concat(chunks).toString()
          // As express.json() or express.raw() leaves it.
          const body: unknown = text.startsWith('{') ? JSON.parse(text) : Buffer.from(text)
          at.webhook.http(Object.assign(request, { body }), response)
        }),
      ),
  ],
]

describe.each(FACES)('%s', (_, face) => {
  const send = (url: string, body: string, headers: Record<string, string> = {}) =>
    fetch(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': SECRET, ...headers },
    })

  test('admits updates in any alphabet, and refuses other bodies', async () => {
    const at = stand({ throttle: '3/1m' }, undefined, { addresses: ['127.0.0.1'] })
    const url = await face(at)
    for (const text of ['hello', 'привет 😀', 'שלום', 'x', 'y']) {
      expect((await send(url, JSON.stringify(says(1, text)))).status).toBe(200)
    }
    expect(at.reached).toEqual(['hello', 'привет 😀', 'שלום'])
    expect((await send(url, 'nothing')).status).toBe(400)
    expect((await send(url, '{}', { 'x-telegram-bot-api-secret-token': 'wrong' })).status).toBe(401)
  })

  test('checks the address of the caller, behind a proxy, too', async () => {
    const at = stand({}, undefined, { addresses: 'telegram', proxies: ['127.0.0.1'] })
    const url = await face(at)
    const body = JSON.stringify(says(1, 'hello'))
    expect((await send(url, body)).status).toBe(403)
    expect((await send(url, body, { 'x-forwarded-for': '149.154.167.1, 8.8.8.8' })).status).toBe(403)
    expect((await send(url, body, { 'x-forwarded-for': '8.8.8.8, 149.154.167.1' })).status).toBe(200)
    expect(at.reached).toEqual(['hello'])
  })
})

describe('node:http', () => {
  test('reads a body that arrives in pieces, split within a character', async () => {
    const at = stand()
    const url = new URL(await listening(createServer(at.webhook.http)))
    const body = Buffer.from(JSON.stringify(says(1, 'привет')))
    const cut = body.indexOf(Buffer.from('п')) + 1
    const status = await new Promise<number | undefined>((done, fail) => {
      const request = httpRequest(
        {
          port: url.port,
          path: '/hook',
          method: 'POST',
          headers: { 'x-telegram-bot-api-secret-token': SECRET },
        },
        (response) => {
          response.resume()
          response.on('end', () => done(response.statusCode))
        },
      )
      request.on('error', fail)
      request.write(body.subarray(0, cut))
      setImmediate(() => request.end(body.subarray(cut)))
    })
    expect(status).toBe(200)
    expect(at.reached).toEqual(['привет'])
  })

  test('does not keep a body that is too large, announced or not', async () => {
    const at = stand({}, undefined, { maxBody: 1000 })
    const url = new URL(await listening(createServer(at.webhook.http)))
    const answer = (head: string, ...chunks: string[]) =>
      new Promise<string>((done, fail) => {
        const socket = connect(Number(url.port), '127.0.0.1')
        let text = ''
        socket.on('data', (chunk) => {
          text += String(chunk)
        })
        socket.on('error', fail)
        socket.on('close', () => done(text))
        // In one piece: data after a closing answer would be answered by a reset.
        socket.write(
          `POST /hook HTTP/1.1\r\nHost: x\r\nX-Telegram-Bot-Api-Secret-Token: ${SECRET}\r\n${head}\r\n\r\n${chunks.join('')}`,
        )
      })
    expect(await answer('Content-Length: 1001')).toMatch(/^HTTP\/1.1 413 [\s\S]*connection: close/i)
    const piece = `3e8\r\n${'x'.repeat(1000)}\r\n`
    expect(await answer('Transfer-Encoding: chunked', piece, piece, '0\r\n\r\n')).toMatch(/^HTTP\/1.1 413 /)
    expect(at.webhook.size).toBe(0)
  })

  test('answers a body without an end as soon as it is too large, and reads no more of it', async () => {
    const at = stand({}, undefined, { maxBody: 1000 })
    const statuses: number[] = []
    let read = 0
    const server = createServer((request, response) => {
      response.on('finish', () => statuses.push(response.statusCode))
      response.on('close', () => {
        read = request.socket.bytesRead
      })
      at.webhook.http(request, response)
    })
    const url = new URL(await listening(server))
    const socket = connect(Number(url.port), '127.0.0.1')
    let over = false
    socket.on('close', () => {
      over = true
    })
    // A client that continues is disconnected, possibly while it writes.
    socket.on('error', () => undefined)
    socket.write(
      `POST /hook HTTP/1.1\r\nHost: x\r\nX-Telegram-Bot-Api-Secret-Token: ${SECRET}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    )
    const piece = `8000\r\n${'x'.repeat(0x8000)}\r\n`
    const flood = (failed?: Error | null): void => {
      if (!failed) socket.write(piece, flood)
    }
    flood()
    await until('it has been cut off', () => over && read > 0)
    expect(statuses).toEqual([413])
    expect(read).toBeLessThan(32 * 1024 * 1024)
    expect(at.webhook.size).toBe(0)
  })

  test('answers such a body once if the connection stays open, and reads no more of it', async () => {
    const at = stand({}, undefined, { maxBody: 1000 })
    let paused = 0
    const request = Object.assign(new EventEmitter(), {
      method: 'POST',
      headers: { 'x-telegram-bot-api-secret-token': SECRET },
      pause: () => paused++,
    })
    const answers: number[] = []
    const response = {
      statusCode: 0,
      setHeader: () => undefined,
      end: () => answers.push(response.statusCode),
    }
    at.webhook.http(request, response)
    await until('it is read', () => request.listenerCount('data') > 0)
    for (let i = 0; i < 4; i++) request.emit('data', new Uint8Array(900))
    request.emit('end')
    expect([answers, paused > 0]).toEqual([[413], true])
  })

  test('forgets clients that disconnect', async () => {
    const at = stand()
    const url = new URL(await listening(createServer(at.webhook.http)))
    const socket = connect(Number(url.port), '127.0.0.1')
    socket.write(
      `POST /hook HTTP/1.1\r\nHost: x\r\nX-Telegram-Bot-Api-Secret-Token: ${SECRET}\r\nContent-Length: 99\r\n\r\n{"upd`,
    )
    await until('it has come', () => socket.bytesWritten > 100)
    socket.destroy()
    const drained = await at.webhook.drain()
    expect(drained).toEqual({ left: 0 })
  })
})

describe('a drain', () => {
  test('at SIGTERM refuses requests, finishes running and detached work, and closes', async () => {
    const { opened, open } = gate()
    const at = stand({ throttle: '1/1m' }, (bot) => bot.use(() => opened))
    const server = createServer(at.webhook.http)
    const url = await listening(server)
    const process = new EventEmitter()
    at.webhook.drainOn(process, { server })
    const send = (text: string) =>
      fetch(url, {
        method: 'POST',
        body: JSON.stringify(says(1, text)),
        headers: { 'x-telegram-bot-api-secret-token': SECRET },
      })
    const first = send('first')
    await until('the handler runs', () => at.reached.length === 1)
    expect((await send('refused, and told so')).status).toBe(200)
    process.emit('SIGTERM')
    // As long as a listener exists, the second signal does not end the process, and changes nothing.
    process.emit('SIGTERM')
    expect(process.listenerCount('SIGTERM')).toBe(1)
    expect(await at.deliver(says(2, 'late'))).toBe(503)
    expect(server.listening).toBe(true)
    open()
    const answer = await first
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close'])
    expect(await at.webhook.drain()).toEqual({ left: 0 })
    expect(at.notices).toHaveLength(1)
    await until('nobody listens', () => process.listenerCount('SIGTERM') === 0)
  })

  test('waits no longer than the given time, and returns the number of unfinished updates', async () => {
    const at = stand({}, (bot) => bot.use(() => new Promise(() => undefined)))
    at.guard.on('warning', () => undefined)
    void at.deliver(says(1, 'for ever'))
    await until('the handler runs', () => at.reached.length === 1)
    const drained = at.webhook.drain('5s')
    await until('the drain has begun', async () => (await at.deliver(says(2, 'x'))) === 503)
    at.time.advance(5000)
    expect(await drained).toEqual({ left: 1 })
  })

  test('rejects, and does not throw, if its time is not a duration, and drains nothing', async () => {
    const at = stand()
    const drained = at.webhook.drain({ within: '5s' } as never)
    await expect(drained).rejects.toMatchObject({ code: 'duration.invalid' })
    expect(at.webhook.isDraining).toBe(false)
  })

  test('handles the bursts of a trailing debounce', async () => {
    const at = stand({ debounce: { mode: 'trailing', window: '10s' } })
    await at.deliver(says(1, 'one'))
    await at.deliver(says(1, 'two'))
    expect(at.reached).toEqual([])
    await at.guard.close()
    expect(at.reached).toEqual(['two'])
    expect(await at.deliver(says(1, 'three'))).toBe(503)
  })
})
