import { connect, type Socket } from 'node:net'
import { SECRET } from './secret.js'

/** The load that is sent to a server. */
export interface Attack {
  readonly port: number
  readonly connections: number
  /** Number of requests to start; those under way at the end are awaited. */
  readonly requests: number
  /** Percentage of requests that come from a few users who are refused already. */
  readonly flood: number
}

/** The result of a load. */
export interface Outcome {
  readonly requests: number
  readonly ms: number
  /** Answers other than 200. */
  readonly failures: number
}

const USERS = 50_000
const FLOODERS = 8
let updateId = 1
let turn = 0

/** Returns a request with a typical message and its usual fields. */
function requestOf(flood: number): string {
  turn = (turn + 1) % 100
  const flooding = turn < flood
  const id = flooding ? 500_000_000 + (updateId % FLOODERS) : 1_000_000 + (updateId % USERS) * 7
  const person = `"id":${id},"first_name":"Alice","last_name":"Liddell","username":"alice_in_wonderland"`
  const body = `{"update_id":${updateId},\n"message":{"message_id":${updateId % 10_000},"from":{${person},"is_bot":false,"language_code":"en"},"chat":{${person},"type":"private"},"date":1795000000,"text":"hello there, how are you doing today?","link_preview_options":{"is_disabled":true}}}`
  updateId++
  return `POST /hook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Telegram-Bot-Api-Secret-Token: ${SECRET}\r\nContent-Length: ${body.length}\r\nConnection: keep-alive\r\nAccept-Encoding: gzip, deflate\r\n\r\n${body}`
}

/** Keeps this many connections busy: each sends its next update when the previous one is answered. */
function attack({ port, connections, requests: most, flood }: Attack): Promise<Outcome> {
  return new Promise((done, fail) => {
    let requests = 0
    let failures = 0
    let open = connections
    const start = performance.now()
    let sent = 0
    const next = (socket: Socket): void => {
      if (sent++ < most) socket.write(requestOf(flood))
      else socket.destroy()
    }
    const closed = (): void => {
      open--
      if (open === 0) done({ requests, failures, ms: performance.now() - start })
    }
    for (let i = 0; i < connections; i++) {
      const socket: Socket = connect(port, '127.0.0.1')
      socket.setNoDelay(true)
      socket.on('connect', () => next(socket))
      socket.on('data', (chunk) => {
        // Answers are short enough that each comes in one chunk.
        requests++
        if (chunk[9] !== 50) failures++
        next(socket)
      })
      socket.on('error', fail)
      socket.on('close', closed)
    }
  })
}

process.on('message', (message) => {
  attack(message as Attack).then(
    (outcome) => process.send?.(outcome),
    (error) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.send?.('ready')
