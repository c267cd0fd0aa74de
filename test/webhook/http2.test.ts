import { EventEmitter } from 'node:events'
import { type ClientHttp2Session, connect, constants, createServer, type Http2Server } from 'node:http2'
import { createConnection } from 'node:net'
import { says } from '../sentinel/desk.js'
import { until } from '../servers/until.js'
import { gate, SECRET, type Stand, stand } from './stand.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function serving(at: Stand): Promise<{ readonly server: Http2Server; readonly port: number }> {
  const server = createServer(at.webhook.http)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as { port: number }
  closing.push(() => server.close())
  return { server, port }
}

function sessionTo(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  closing.push(() => session.destroy())
  return session
}

function ask(session: ClientHttp2Session, secret = SECRET) {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/hook',
    'x-telegram-bot-api-secret-token': secret,
  })
  stream.on('error', () => undefined)
  const status = new Promise<unknown>((done) => stream.on('response', (head) => done(head[':status'])))
  stream.resume()
  return { stream, status }
}

test('a refused request ends its stream, and other streams of the connection continue', async () => {
  const at = stand({}, undefined, { maxBody: 1000 })
  const session = sessionTo((await serving(at)).port)
  const large = ask(session)
  large.stream.write('x'.repeat(1001))
  const strange = ask(session, 'wrong')
  strange.stream.write('{')
  expect([await large.status, await strange.status]).toEqual([413, 401])
  await until('both are closed', () => large.stream.closed && strange.stream.closed)
  const { stream, status } = ask(session)
  stream.end(JSON.stringify(says(1, 'hello')))
  expect(await status).toBe(200)
  expect(at.reached).toEqual(['hello'])
})

describe('a process that receives SIGTERM', () => {
  async function ending() {
    const at = stand()
    const { server, port } = await serving(at)
    let closed = false
    server.on('close', () => {
      closed = true
    })
    const process = new EventEmitter()
    at.webhook.drainOn(process, { server, within: '20s' })
    return { at, server, port, process, isClosed: () => closed }
  }

  test('closes idle sessions', async () => {
    const { port, process, isClosed } = await ending()
    const { stream, status } = ask(sessionTo(port))
    stream.end(JSON.stringify(says(1, 'hello')))
    expect(await status).toBe(200)
    process.emit('SIGTERM')
    await until('the server is closed', isClosed)
  })

  test('answers 503 on open and new sessions until its updates are handled', async () => {
    const { opened, open } = gate()
    const at = stand({}, (bot) => bot.use(() => opened))
    const { server, port } = await serving(at)
    let closed = false
    server.on('close', () => {
      closed = true
    })
    const process = new EventEmitter()
    at.webhook.drainOn(process, { server })
    const session = sessionTo(port)
    const running = ask(session)
    running.stream.end(JSON.stringify(says(1, 'hello')))
    await until('the handler runs', () => at.reached.length === 1)
    process.emit('SIGTERM')
    await until('it drains', () => at.webhook.isDraining)
    expect(await ask(session).status).toBe(503)
    expect(await ask(sessionTo(port)).status).toBe(503)
    expect(closed).toBe(false)
    open()
    expect(await running.status).toBe(200)
    await until('the server is closed', () => closed)
  })

  test('cuts open connections when its time is up', async () => {
    const { at, server, port, process, isClosed } = await ending()
    const { stream } = ask(sessionTo(port))
    stream.write('{"upd')
    const silent = createConnection(port, '127.0.0.1')
    silent.on('error', () => undefined)
    closing.push(() => silent.destroy())
    let asked = 0
    server.on('request', () => asked++)
    await until('it stands still in the middle of a body', () => asked === 1 && !silent.connecting)
    process.emit('SIGTERM')
    await until('the guard is closed', () => process.listenerCount('SIGTERM') === 0)
    expect(isClosed()).toBe(false)
    at.time.advance(20_000)
    await until('the server is closed', isClosed)
    expect(stream.rstCode).not.toBe(constants.NGHTTP2_REFUSED_STREAM)
  })
})
