import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { Caller } from '../../src/mtproto/client/calls/caller.js'
import type { CdnClient } from '../../src/mtproto/client/files/cdn/client.js'
import { CdnDataCentres } from '../../src/mtproto/client/files/cdn/data-centres.js'
import { agreeOnKey } from '../../src/mtproto/client/files/cdn/key-agreement.js'
import { download } from '../../src/mtproto/client/files/download.js'

const STOP = new Error('enough')
const never = <T>(): Promise<T> => new Promise(() => undefined)

/** Returns a signal that is aborted in the next turn. */
function stopping(): AbortSignal {
  const ending = new AbortController()
  setImmediate(() => ending.abort(STOP))
  return ending.signal
}

const request = { _: 'upload.getCdnFile', fileToken: new Uint8Array(), offset: 0, limit: 1 } as never

/** CDN data centres that Telegram lists, with a given way to connect. */
function centres(connect: (signal: AbortSignal) => Promise<CdnClient>): CdnDataCentres {
  const answers: Record<string, unknown> = {
    'help.getCdnConfig': { publicKeys: [{ dcId: 203, publicKey: 'a key' }] },
    'help.getConfig': { dcOptions: [{ id: 203, cdn: true, ipAddress: '127.0.0.1', port: 1 }] },
  }
  const caller = { call: async ({ _: method }: { readonly _: string }) => answers[method] }
  return new CdnDataCentres(
    async () => caller as unknown as Caller,
    (_at, _onLost, signal) => connect(signal),
  )
}

test('a signal ends the look-up of the message that contains the file', async () => {
  const silent = { call: never, channel: never, peer: never } as unknown as Caller
  const pieces = download(silent, {} as never, { chat: -1001234567890, message: 5 }, { signal: stopping() })
  await expect(pieces.next()).rejects.toBe(STOP)
})

test('a signal ends waiting for a CDN, but other calls continue to wait', async () => {
  let connected: (client: CdnClient) => void = () => undefined
  const connecting = new Promise<CdnClient>((done) => {
    connected = done
  })
  const some = centres(() => connecting)
  const waiting = some.call(203, request, new AbortController().signal)
  await expect(some.call(203, request, stopping())).rejects.toBe(STOP)
  const file = { _: 'upload.cdnFile', bytes: new Uint8Array(1) }
  connected({ isLost: false, call: async () => file, close: async () => undefined } as unknown as CdnClient)
  await expect(waiting).resolves.toBe(file)
})

test('close() ends a running handshake, and the calls that wait for it', async () => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = publicKey.export({ type: 'pkcs1', format: 'pem' }) as string
  const gone: Promise<unknown>[] = []
  // Sends single bytes that never form a message.
  const server = createServer((socket: Socket) => {
    const dripping = setInterval(() => socket.write(Buffer.from([0x10])), 5)
    socket.on('error', () => socket.destroy())
    gone.push(once(socket, 'close').then(() => clearInterval(dripping)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  const some = centres(async (signal) => {
    await agreeOnKey({ dc: 203, host: '127.0.0.1', port, publicKey: pem }, signal)
    return never<CdnClient>()
  })
  const waiting = expect(some.call(203, request, new AbortController().signal)).rejects.toMatchObject({
    code: 'mtproto.session',
  })
  await once(server, 'connection')
  await some.close()
  await waiting
  await Promise.all(gone)
  server.close()
})
