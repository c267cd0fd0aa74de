import { connect, createServer } from 'node:net'

const [VERSION, NO_AUTHENTICATION, CONNECT] = [5, 0, 1]
/** How long an address of each kind is (RFC 1928, 5). */
const ADDRESS = new Map([
  [1, () => 4],
  [3, (bytes) => 1 + bytes[4]],
  [4, () => 16],
])
const GRANTED = Buffer.from([VERSION, 0, 0, 1, 0, 0, 0, 0, 0, 0])

/** A SOCKS5 proxy (RFC 1928) on 127.0.0.1 that leads every connection to one port there, wherever it was to go. */
export class Redirector {
  /** Where clients wanted to go, with how often. */
  wanted = new Map()
  port = 0
  #target
  #server = createServer((socket) => this.#accept(socket))
  #sockets = new Set()
  #isOpen = true

  constructor(target) {
    this.#target = target
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
      this.#note(asked.subarray(3, end))
      socket.off('data', read)
      socket.write(GRANTED)
      this.#lead(socket, asked.subarray(end))
    }
    socket.on('data', read)
  }

  #lead(socket, rest) {
    const onward = connect(this.#target, '127.0.0.1')
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

  #note(bytes) {
    const host = bytes[0] === 1 ? bytes.subarray(1, 5).join('.') : bytes.subarray(1, -2).toString('hex')
    const where = `${host}:${bytes.readUInt16BE(bytes.length - 2)}`
    this.wanted.set(where, (this.wanted.get(where) ?? 0) + 1)
  }
}
