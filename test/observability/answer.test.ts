import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { sentinel } from '../../src/index.js'
import { answerFetch, answerNode } from '../../src/observability/answer.js'
import { health } from '../../src/observability/health/index.js'
import { metrics } from '../../src/observability/metrics/index.js'
import { until } from '../servers/until.js'

/** Malformed request targets that clients can send. */
const TARGETS = ['//', '/\\', '//:99999', 'http://[', '*', '/%', '/livez?a#b', '/livez#b?a', '']

/** A response that records its status and the type of its body. */
function noting() {
  const answers: unknown[] = []
  const response = {
    writeHead: (status: number) => answers.push(status),
    end: (body?: string) => answers.push(typeof body),
  }
  return { answers, response }
}

describe('a malformed request target', () => {
  test.each(TARGETS)('such as %j is answered like any other', async (url) => {
    const probes = health(sentinel())
    for (const handler of [metrics(sentinel()).handler, probes.handler]) {
      const { answers, response } = noting()
      await handler({ method: 'GET', url }, response)
      expect(answers).toEqual([200, 'string'])
    }
    probes.close()
  })

  test('over a connection does not disturb the server', async () => {
    const server = createServer(metrics(sentinel()).handler).listen(0, '127.0.0.1')
    await until('it listens', () => server.listening)
    const { port } = server.address() as AddressInfo
    const heard = await new Promise<string>((resolve) => {
      const socket = connect(port, '127.0.0.1', () =>
        socket.write('GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
      )
      let text = ''
      socket.on('data', (part) => {
        text += String(part)
      })
      socket.on('close', () => resolve(text))
    })
    expect(heard).toMatch(/^HTTP\/1\.1 200 OK/)
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200)
    await new Promise((closed) => server.close(closed))
  })
})

test('a failure while answering becomes status 500, without secrets', async () => {
  const answering = () => Promise.reject(new Error('no token 123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'))
  const { answers, response } = noting()
  await answerNode({ method: 'GET', url: '/' }, response, answering)
  expect(answers).toEqual([500, 'string'])
  const answer = await answerFetch(new Request('http://localhost/'), answering)
  expect([answer.status, await answer.text()]).toEqual([500, 'Error: no token 123456:<redacted>\n'])
})

test('a response that was already sent stays unchanged', async () => {
  const ended: unknown[] = []
  const response = {
    writeHead: () => {
      throw new Error('ERR_HTTP_HEADERS_SENT')
    },
    end: (body?: string) => ended.push(body),
  }
  await answerNode({}, response, async () => ({ status: 200, type: 'text/plain', body: 'late' }))
  expect(ended).toEqual([])
})
