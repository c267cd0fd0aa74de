import { connect, createServer } from 'node:net'

const [VERSION, NO_AUTHENTICATION, CONNECT] = [5, 0, 1]
/** How long an address of each kind is (RFC 1928, 5). */
const ADDRESS = new Map([
  [1, () => 4],
  [3, (bytes) => 1 + bytes[4]],
  [4, () => 16],
])
const GRANTED = Buffer.from([VERSION, 0, 0, 1, 0, 0, 0, 0, 0, 0])

/** A SOCKS5 proxy (RFC 1928) on 127.0.0.1 that leads connections to ports there, wherever they were to go. */
export class Redirector {
  /** Where clients wanted to go, with how often. */
  wanted = new Map()
  port = 0
  #route
  #server = createServer((socket) => this.#accept(socket))
  #sockets = new Set()
  #isOpen = true

  /** `route` is asked with a host and a port, and tells a port of 127.0.0.1; undefined: not there. */
  constructor(route) {
    this.#route = route
  }

  async listen() {
    await new Promise((done, failed) => {
      this.#server.once('error', failed)
      this.#server.listen(0, '127.0.0.1', done)
    })
    this.port = this.#server.address().port
  }

  /** Whether connections are let through; who comes meanwhile is hung up on. */
  open(isOpen) {
    this.#isOpen = isOpen
    if (!isOpen) for (const socket of this.#sockets) socket.destroy()
  }

  async close() {
    this.open(false)
    await new Promise((done) => this.#server.close(done))
  }

  #accept(socket) {
    this.#keep(socket)
    if (!this.#isOpen) {
      socket.destroy()
      return
    }
    let asked = Buffer.alloc(0)
    let isGreeted = false
    const read = (chunk) => {
      asked = Buffer.concat([asked, chunk])
      if (!isGreeted) {
        if (asked.length < 2 || asked.length < 2 + asked[1]) return
        if (asked[0] !== VERSION) {
          socket.destroy()
          return
        }
        asked = asked.subarray(2 + asked[1])
        isGreeted = true
        socket.write(Buffer.from([VERSION, NO_AUTHENTICATION]))
      }
      if (asked.length < 5) return
      const length = ADDRESS.get(asked[3])?.(asked)
      if (length === undefined || asked[1] !== CONNECT) {
        socket.destroy()
        return
      }
      const end = 4 + length + 2
      if (asked.length < end) return
      const target = this.#targetOf(asked.subarray(3, end))
      if (target === undefined) {
        socket.destroy()
        return
      }
      socket.off('data', read)
      socket.write(GRANTED)
      this.#lead(socket, target, asked.subarray(end))
    }
    socket.on('data', read)
  }

  #targetOf(bytes) {
    const address = bytes.subarray(1, -2)
    const host =
      bytes[0] === 1 ? address.join('.') : bytes[0] === 4 ? address.toString('hex') : String(address)
    const port = bytes.readUInt16BE(bytes.length - 2)
    const where = `${host}:${port}`
    this.wanted.set(where, (this.wanted.get(where) ?? 0) + 1)
    return this.#route(host, port)
  }

  #lead(socket, target, rest) {
    const onward = connect(target, '127.0.0.1')
    this.#keep(onward)
    onward.on('close', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    if (rest.length > 0) onward.write(rest)
    socket.pipe(onward)
    onward.pipe(socket)
  }

  #keep(socket) {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    // Ends of connections are what this is for.
    socket.on('error', () => socket.destroy())
  }
}
