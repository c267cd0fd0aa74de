import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { createGunzip, gzipSync } from 'node:zlib'
import fastify, { type FastifyInstance } from 'fastify'
import { type Context, Hono } from 'hono'
import { says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { listening, post, SECRET, type Stand, stand, stopped } from './stand.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const headers = { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': SECRET }

async function opened(...given: Parameters<typeof stand>) {
  const at = stand(...given)
  const told: unknown[] = []
  at.guard.on('error', ({ error, during }) => told.push([during, (error as { code?: string }).code]))
  // The first update loads the code of the webhook, before listeners in front could read a body.
  await at.deliver(says(9, 'first'))
  at.reached.length = 0
  return { ...at, told }
}

/** A server of the app, with a listener in front of the webhook. */
async function behind(listener: (at: Stand) => RequestListener, ...given: Parameters<typeof stand>) {
  const at = await opened(...given)
  const server = createServer(listener(at))
  closing.push(() => stopped(server))
  return { ...at, url: await listening(server) }
}

async function send(url: string, body: string | Uint8Array): Promise<number> {
  const { status } = await fetch(url, { method: 'POST', headers, body })
  return status
}

/** Sends the second half of a body once the first has `begun` to be handled. */
function inHalves(url: string, body: string, begun: () => boolean): Promise<number | undefined> {
  return new Promise((done, fail) => {
    const asked = httpRequest(url, { method: 'POST', headers }, (response) => {
      response.resume()
      done(response.statusCode)
    }).on('error', fail)
    asked.write(body.slice(0, 20))
    until('the first half has come', begun).then(() => asked.end(body.slice(20)), fail)
  })
}

const privet = JSON.stringify(says(1, 'привет'))

describe('middleware in front', () => {
  test('may set an encoding on the body, and read it while it arrives', async () => {
    let seen = ''
    const at = await behind(({ webhook }) => (request, response) => {
      request.setEncoding('utf8')
      request.on('data', (text: string) => {
        seen += text
      })
      webhook.http(request, response)
    })
    expect(await send(at.url, privet)).toBe(200)
    expect([at.reached, seen, at.told]).toEqual([['привет'], privet, []])
  })

  test('with an encoding does not change the size limit: bytes count', async () => {
    const most = new TextEncoder().encode(privet).length
    const asText =
      ({ webhook }: Stand): RequestListener =>
      (request, response) => {
        request.setEncoding('utf8')
        webhook.http(request, response)
      }
    expect(await send((await behind(asText, {}, undefined, { maxBody: most })).url, privet)).toBe(200)
    expect(await send((await behind(asText, {}, undefined, { maxBody: most - 1 })).url, privet)).toBe(413)
  })

  test('may read the body, and keep it unchanged', async () => {
    const at = await behind(({ webhook }) => async (request, response) => {
      webhook.http(Object.assign(request, { rawBody: await readOff(request) }), response)
    })
    expect(await send(at.url, privet)).toBe(200)
    expect(at.reached).toEqual(['привет'])
  })

  test.each<[string, (request: IncomingMessage) => unknown]>([
    ['reads the body, and does not keep it', readOff],
    ['reads an empty body', (request) => readOff(request)],
    ['decodes the body with another encoding', (request) => request.setEncoding('latin1')],
  ])('that %s is reported, and the request is answered', async (what, spoil) => {
    const at = await behind(({ webhook }) => async (request, response) => {
      await spoil(request)
      webhook.http(request, response)
    })
    expect(await send(at.url, what.includes('empty') ? '' : privet)).toBe(500)
    expect([at.reached, at.told]).toEqual([[], [['webhook.body', 'webhook.body']]])
    expect(at.webhook.size).toBe(0)
  })

  test('may be reading the body, and keep it when it is complete', async () => {
    let begun = false
    const at = await behind(({ webhook }) => (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => {
        // Another middleware has awaited something in between.
        if (chunks.push(chunk) > 1) return
        setImmediate(() => {
          webhook.http(request, response)
          begun = true
        })
      })
      request.on('end', () => Object.assign(request, { rawBody: Buffer.concat(chunks) }))
    })
    expect(await inHalves(at.url, privet, () => begun)).toBe(200)
    expect([at.reached, at.told]).toEqual([['привет'], []])
  })

  test('may be reading the body, and add to the bytes that it keeps', async () => {
    let begun = false
    const at = await behind(({ webhook }) => (request, response) => {
      let rawBody = Buffer.alloc(0)
      request.on('data', (chunk: Buffer) => {
        rawBody = Buffer.concat([rawBody, chunk])
        Object.assign(request, { rawBody })
        if (begun) return
        begun = true
        webhook.http(request, response)
      })
    })
    expect(await inHalves(at.url, privet, () => begun)).toBe(200)
    expect([at.reached, at.told]).toEqual([['привет'], []])
  })

  test.each<[string, (request: IncomingMessage, kept: (body: Buffer | string) => void) => unknown]>([
    ['reads it at once', (request, kept) => request.once('readable', () => kept(request.read() as Buffer))],
    ['pauses it', (request, kept) => request.once('data', (bytes: Buffer) => kept(bytes) ?? request.pause())],
    [
      'pauses it as text',
      (request, kept) =>
        request.setEncoding('utf8').once('data', (text: string) => kept(text) ?? request.pause()),
    ],
  ])('may keep the whole body before its end, if it %s', async (_, read) => {
    const at = await behind(({ webhook }) => (request, response) => {
      read(request, (rawBody) => webhook.http(Object.assign(request, { rawBody }), response))
    })
    expect(await send(at.url, privet)).toBe(200)
    expect([at.reached, at.told]).toEqual([['привет'], []])
  })

  test.each<[string, object, number]>([
    ['has kept a text of unknown length, which is used', { rawBody: privet }, 200],
    ['has kept bytes of unknown length, which are used', { rawBody: Buffer.from(privet) }, 200],
    ['has kept nothing, which is reported', {}, 500],
  ])('may stop before the end of the body. After the time-out it %s', async (_, kept, status) => {
    let stopped = false
    const at = await behind(({ webhook }) => (request, response) => {
      request.once('data', () => {
        request.pause()
        delete request.headers['content-length']
        webhook.http(Object.assign(request, kept), response)
        stopped = true
      })
    })
    const answer = fetch(at.url, { method: 'POST', headers, body: privet })
    await until('it has stopped', () => stopped)
    at.time.advance(9_999)
    expect([at.reached, at.told]).toEqual([[], []])
    at.time.advance(1)
    const { status: answered, headers: given } = await answer
    expect([answered, at.reached.length, at.told.length]).toEqual([
      status,
      ...(status === 200 ? [1, 0] : [0, 1]),
    ])
    // The next request on this connection could not be read.
    if (status === 500) expect(given.get('connection')).toBe('close')
  })

  test('may be reading the body when the client leaves, which is no error', async () => {
    let begun = false
    let left = false
    const at = await behind(({ webhook }) => (request, response) => {
      request.once('data', () => {
        webhook.http(request, response)
        begun = true
      })
      request.on('close', () => setImmediate(() => (left = true)))
    })
    const asked = httpRequest(at.url, { method: 'POST', headers }).on('error', () => undefined)
    asked.write(privet.slice(0, 20))
    await until('the first half has come', () => begun)
    asked.destroy()
    await until('the client has left', () => left)
    at.time.advance(10_000)
    await new Promise((done) => setImmediate(done))
    expect([at.reached, at.told]).toEqual([[], []])
  })

  test.each([false, true])(
    'may parse the body when it is asked for, and fail, as on Vercel; warm: %s',
    async (warm) => {
      const at = warm ? await opened() : stand()
      const failing: RequestListener = (request, response) => {
        const body = {
          get(): unknown {
            throw new Error('Invalid JSON')
          },
        }
        at.webhook.http(Object.defineProperty(request, 'body', body), response)
      }
      const server = createServer(failing)
      closing.push(() => stopped(server))
      const url = await listening(server)
      expect((await fetch(url, { method: 'POST', body: '{' })).status).toBe(401)
      expect(await send(url, '{')).toBe(400)
    },
  )

  test('may leave an empty object for a body that it has not parsed, as the parsers of express 4 do', async () => {
    const at = await behind(({ webhook }) => (request, response) => {
      webhook.http(Object.assign(request, { body: {} }), response)
    })
    expect(await send(at.url, privet)).toBe(200)
    expect(at.reached).toEqual(['привет'])
  })

  test('may have parsed an empty object, which is refused as not an update', async () => {
    const at = await behind(({ webhook }) => async (request, response) => {
      webhook.http(Object.assign(request, { body: JSON.parse(String(await readOff(request))) }), response)
    })
    expect(await send(at.url, '{}')).toBe(400)
    expect(at.told).toEqual([])
  })
})

async function readOff(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

describe('hooks of fastify', () => {
  async function fastifyWith(set: (app: FastifyInstance) => unknown) {
    const at = await opened()
    const app = fastify()
    set(app)
    await app.register(at.webhook.fastify, { path: '/hook' })
    closing.push(() => app.close())
    return { ...at, url: `${await app.listen({ port: 0, host: '127.0.0.1' })}/hook` }
  }

  test('may read the body, and hand a copy on', async () => {
    const seen: string[] = []
    const at = await fastifyWith((app) =>
      app.addHook('preParsing', async (_request, _reply, payload) => {
        const chunks: Buffer[] = []
        for await (const chunk of payload) chunks.push(chunk as Buffer)
        seen.push(String(Buffer.concat(chunks)))
        return Readable.from(chunks)
      }),
    )
    expect(await send(at.url, privet)).toBe(200)
    expect([at.reached, seen]).toEqual([['привет'], [privet]])
  })

  test.each([false, true])(
    'may read the body and keep it, while others await something; in two pieces: %s',
    async (halves) => {
      let begun = false
      const at = await fastifyWith((app) => {
        // As fastify-raw-body does.
        app.addHook('preParsing', (request, _reply, payload, done) => {
          const chunks: Buffer[] = []
          payload.on('data', (chunk: Buffer) => chunks.push(chunk))
          payload.on('end', () => Object.assign(request, { rawBody: String(Buffer.concat(chunks)) }))
          done(null, payload)
        })
        app.addHook('preHandler', async () => {
          begun = true
        })
      })
      for (const text of ['a', 'b', 'c']) {
        begun = false
        const body = JSON.stringify(says(1, text))
        expect(await (halves ? inHalves(at.url, body, () => begun) : send(at.url, body))).toBe(200)
      }
      expect([at.reached, at.told]).toEqual([['a', 'b', 'c'], []])
    },
  )

  test('may read the body and keep it on the request of Node, as middleware of express does', async () => {
    const at = await fastifyWith((app) =>
      app.decorateRequest('rawBody', null).addHook('onRequest', async ({ raw }) => {
        Object.assign(raw, { rawBody: await readOff(raw) })
      }),
    )
    expect(await send(at.url, privet)).toBe(200)
    expect([at.reached, at.told]).toEqual([['привет'], []])
  })

  test('may declare a kept body and not set it, which is reported', async () => {
    const at = await fastifyWith((app) =>
      app.decorateRequest('rawBody', null).addHook('onRequest', async ({ raw }) => void (await readOff(raw))),
    )
    expect(await send(at.url, privet)).toBe(500)
    expect(at.told).toEqual([['webhook.body', 'webhook.body']])
  })

  test('may destroy the stream that they passed on: the request is answered, and the body is reported', async () => {
    const made = new PassThrough()
    const at = await fastifyWith((app) =>
      app
        .addHook('preParsing', async (_request, _reply, payload) => payload.pipe(made))
        .addHook('preHandler', async () => {
          await once(made, 'data')
          setImmediate(() => made.destroy())
        }),
    )
    expect(await inHalves(at.url, privet, () => made.destroyed)).toBe(500)
    expect(at.told).toEqual([['webhook.body', 'webhook.body']])
  })

  test('may pass on a stream that breaks: the request is answered, and the hooks are reported', async () => {
    const at = await fastifyWith((app) =>
      app.addHook('preParsing', async (_request, _reply, payload) => payload.pipe(createGunzip())),
    )
    expect(await send(at.url, gzipSync(privet))).toBe(200)
    expect(at.reached).toEqual(['привет'])
    expect(await send(at.url, 'not compressed')).toBe(500)
    expect(at.told).toEqual([['webhook.body', 'Z_DATA_ERROR']])
  })
})

describe('hono, if middleware in front has read the body', () => {
  const ask = async (at: Stand, read: (c: Context) => Promise<unknown>): Promise<number> => {
    const app = new Hono()
      .use(async (c, next) => {
        await read(c)
        await next()
      })
      .post('/hook', at.webhook.hono)
    return (await app.fetch(post(privet))).status
  }

  test.each<[string, (c: Context) => Promise<unknown>]>([
    ['as text', (c) => c.req.text()],
    ['as JSON', (c) => c.req.json()],
    ['as bytes', (c) => c.req.arrayBuffer()],
  ])('%s uses the body that was read', async (_, read) => {
    const at = await opened()
    expect(await ask(at, read)).toBe(200)
    expect([at.reached, at.told]).toEqual([['привет'], []])
  })

  test('a body read without hono is reported, as behind fetch', async () => {
    const at = await opened()
    expect(await ask(at, (c) => c.req.raw.text())).toBe(500)
    const request = post(privet)
    await request.text()
    expect((await at.webhook.fetch(request)).status).toBe(500)
    const gone = ['webhook.body', 'webhook.body']
    expect([at.reached, at.told]).toEqual([[], [gone, gone]])
  })
})

test('handlers run in the asynchronous context of their request, whenever its body arrives', async () => {
  const requests = new AsyncLocalStorage<string | undefined>()
  const stores: unknown[] = []
  const at = await behind(
    ({ webhook }) =>
      (request, response) =>
        requests.run(request.url, () => webhook.http(request, response)),
    {},
    (bot) => bot.on('message', () => void stores.push(requests.getStore())),
  )
  stores.length = 0
  const ask = async (path: string, body: string): Promise<void> => {
    const arrived = stores.length
    // Connections are kept alive: the second request uses the same one.
    const asked = httpRequest(new URL(path, at.url), { method: 'POST', headers })
    asked.on('response', (response) => response.resume())
    asked.flushHeaders()
    asked.on('socket', (socket) => socket.once('connect', () => setImmediate(() => asked.end(body))))
    asked.on('socket', (socket) => socket.connecting || setImmediate(() => asked.end(body)))
    await until('it is handled', () => stores.length > arrived)
  }
  await ask('/a', JSON.stringify(says(1, 'a')))
  await ask('/b', JSON.stringify(says(1, 'b')))
  await ask('/c', JSON.stringify(says(1, 'c')))
  expect(stores).toEqual(['/a', '/b', '/c'])
})
