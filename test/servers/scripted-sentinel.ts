import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { freePort } from './ports.js'

/** A Redis Sentinel that names the master, and reports a switch to another one, when a test says so. */
export interface ScriptedSentinel {
  readonly port: number
  /** Connections that are open. */
  readonly open: number
  /** Those of them that are subscribed. */
  readonly subscribers: number
  /** How often it was asked for the master. */
  readonly asked: number
  /** How it treats new subscriptions. */
  subscriptions: 'accepted' | 'refused' | 'ignored'
  /** Attempts to subscribe so far. */
  readonly attempts: number
  /** Names this port on loopback as the master from now on. */
  name(port: number): void
  /** Reports to its subscribers that a master, by default its own, is now at this port on loopback. */
  report(port: number, master?: string): void
  /** Still names the master, but does not answer what a client asks after that, so the client keeps waiting to connect. */
  hold(): void
  release(): void
  /** Ends all connections. */
  cut(): void
  stop(): Promise<void>
}

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`
const list = (...texts: readonly string[]): string => `*${texts.length}\r\n${texts.map(bulk).join('')}`

/** Starts such a Sentinel of one master at this port on loopback. */
export async function startScriptedSentinel(name: string, master: number): Promise<ScriptedSentinel> {
  const port = await freePort()
  const sockets = new Set<Socket>()
  const subscribed = new Set<Socket>()
  const held: (() => void)[] = []
  let isHeld = false
  let current = master
  let asked = 0
  let attempts = 0
  const subscribe = (socket: Socket, channel: string): void => {
    attempts++
    if (sentinel.subscriptions === 'refused') socket.write('-NOPERM this user has no permissions\r\n')
    if (sentinel.subscriptions !== 'accepted') return
    subscribed.add(socket)
    socket.write(`*3\r\n${bulk('subscribe')}${bulk(channel)}:1\r\n`)
  }
  const answer = (socket: Socket, [command = '', what = '']: readonly string[]): void => {
    const asks = `${command} ${what}`.toLowerCase()
    if (asks.startsWith('hello')) socket.write("-ERR unknown command 'HELLO'\r\n")
    else if (asks.startsWith('subscribe')) subscribe(socket, what)
    else if (asks === 'sentinel get-master-addr-by-name') {
      asked++
      socket.write(list('127.0.0.1', String(current)))
    } else if (asks === 'sentinel sentinels') {
      const others = (): boolean => socket.write(list())
      if (isHeld) held.push(others)
      else others()
    } else socket.write('+OK\r\n')
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    let unread = ''
    socket.setEncoding('utf8')
    socket.on('data', (data) => {
      unread += data
      for (;;) {
        const size = Number(/^\*(\d+)\r\n/.exec(unread)?.[1])
        const lines = unread.split('\r\n')
        // Each word has a line for its length, and the last line is followed by a break.
        if (!(lines.length > 1 + 2 * size)) return
        answer(
          socket,
          lines.slice(1, 1 + 2 * size).filter((_, at) => at % 2 === 1),
        )
        unread = lines.slice(1 + 2 * size).join('\r\n')
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      subscribed.delete(socket)
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const sentinel: ScriptedSentinel = {
    port,
    get open() {
      return sockets.size
    },
    get subscribers() {
      return subscribed.size
    },
    get asked() {
      return asked
    },
    get attempts() {
      return attempts
    },
    subscriptions: 'accepted',
    name: (port) => {
      current = port
    },
    report: (port, master = name) => {
      const message = `${master} 127.0.0.1 1 127.0.0.1 ${port}`
      for (const socket of subscribed) socket.write(list('message', '+switch-master', message))
    },
    hold: () => {
      isHeld = true
    },
    release: () => {
      isHeld = false
      for (const others of held.splice(0)) others()
    },
    cut,
    stop: async () => {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
  return sentinel
}
