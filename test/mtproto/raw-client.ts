import { constants, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { Buffered, type Framing, intermediate, type Veil } from '../../src/mtproto/protocol/framing.js'
import { igeDecrypt, igeEncrypt } from '../../src/mtproto/protocol/ige.js'
import {
  authKeyId,
  decrypt,
  type Envelope,
  encrypt,
  sha1,
  sha256,
} from '../../src/mtproto/protocol/message.js'
import {
  CONTAINER,
  GZIP,
  RPC_RESULT,
  type TlObject,
  type TlValue,
} from '../../src/mtproto/protocol/tl/object.js'
import { TlReader } from '../../src/mtproto/protocol/tl/reader.js'
import { currentSchema, type Schema } from '../../src/mtproto/protocol/tl/schema.js'
import { encodeObject, TlWriter } from '../../src/mtproto/protocol/tl/writer.js'
import { partsOf } from '../../src/telegram/mtproto/sessions/containers.js'
import {
  bytes,
  GENERATOR,
  newPrivateKey,
  number,
  PRIME,
  power,
} from '../../src/telegram/mtproto/sessions/diffie-hellman.js'

const schema = currentSchema()

/** A message of the server, as received. */
export interface Came {
  readonly messageId: bigint
  readonly seqNo: number
  readonly object: TlObject
  /** For an answer: the id of the request. */
  readonly answers?: bigint
}

/** A transport, as the client opens it. */
export interface Speech {
  readonly framing: Framing
  readonly opening: Buffer
  readonly veil?: Veil
}

export const plainly: Speech = { framing: intermediate, opening: Buffer.from('eeeeeeee', 'hex') }

/** Overrides parts of a message; by default, the parts are valid. */
export interface SendOptions {
  readonly messageId?: bigint
  readonly content?: boolean
  readonly salt?: bigint
  readonly seqNo?: number
  readonly quickAck?: boolean
}

/** A client for tests of servers, which can also send invalid messages. */
export class RawClient {
  readonly came: Came[] = []
  readonly errors: number[] = []
  /** Quick acknowledgements: the expected ones, and those received. */
  readonly tokens: { readonly due: number[]; readonly came: number[] } = { due: [], came: [] }
  /** The received containers with the ids of their parts. */
  readonly containers: {
    readonly messageId: bigint
    readonly seqNo: number
    readonly parts: readonly bigint[]
  }[] = []
  /** The number of answers that were compressed. */
  packed = 0
  authKey: Buffer = Buffer.alloc(0)
  /** The schema that received messages are parsed with. */
  reading: Schema = schema
  salt = 0n
  sessionId = randomBytes(8).readBigInt64LE()
  closed = false
  #sequence = 0
  #lastId = 0n
  readonly #plain: TlObject[] = []
  readonly #buffered = new Buffered()
  #listeners: (() => void)[] = []

  private constructor(
    private readonly socket: Socket,
    private readonly speech: Speech,
  ) {
    socket.write(speech.opening)
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
      this.#told()
    })
  }

  static async connect(port: number, speech: Speech = plainly): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1')
    await new Promise<void>((done, failed) => socket.once('connect', done).once('error', failed))
    return new RawClient(socket, speech)
  }

  /** Opens another connection with the same key and session. */
  async again(port: number, speech: Speech = plainly): Promise<RawClient> {
    const client = await RawClient.connect(port, speech)
    Object.assign(client, { authKey: this.authKey, salt: this.salt, sessionId: this.sessionId })
    client.#sequence = this.#sequence
    client.#lastId = this.#lastId
    return client
  }

  /** Sends bytes unchanged. */
  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  frame(payload: Uint8Array): void {
    const frame = this.speech.framing.wrap(payload)
    this.write(this.speech.veil?.outgoing(frame) ?? frame)
  }

  /** Sends an unencrypted message, as in a key exchange. */
  sendPlainly(body: Uint8Array): void {
    const message = Buffer.alloc(20 + body.length)
    message.writeBigUInt64LE(this.nextId(), 8)
    message.writeUInt32LE(body.length, 16)
    message.set(body, 20)
    this.frame(message)
  }

  /** Stops reading. */
  pause(): void {
    this.socket.pause()
  }

  close(): void {
    this.socket.destroy()
  }

  async shakeHands(
    pem: string,
    options: {
      /** Uses inner data without a data centre, and a digest instead of RSA_PAD. */
      readonly legacy?: boolean
      /** Uses only the padding of {@link legacy}. */
      readonly oldPadding?: boolean
      /** Uses only the inner data of {@link legacy}. */
      readonly oldInner?: boolean
      readonly expiresIn?: number
      readonly dc?: number
      /** Changes objects before they are sent, inner data included. */
      readonly tamper?: (object: TlObject) => TlObject
    } = {},
  ): Promise<void> {
    const oldInner = options.oldInner ?? options.legacy === true
    const oldPadding = options.oldPadding ?? options.legacy === true
    const tamper = options.tamper ?? ((object: TlObject) => object)
    const nonce = randomBytes(16)
    const resPq = await this.#askPlainly(tamper({ _: 'mt_req_pq_multi', nonce }))
    const [p, q] = [Buffer.from('494c553b', 'hex'), Buffer.from('53911073', 'hex')]
    const newNonce = randomBytes(32)
    const { server_nonce } = resPq as unknown as { server_nonce: Buffer }
    const suffix = options.expiresIn === undefined ? '' : '_temp'
    const inner = encodeObject(
      schema,
      tamper({
        _: oldInner ? `mt_p_q_inner_data${suffix}` : `mt_p_q_inner_data${suffix}_dc`,
        pq: resPq.pq as Buffer,
        p,
        q,
        nonce,
        server_nonce,
        new_nonce: newNonce,
        dc: options.dc ?? 2,
        expires_in: options.expiresIn ?? 0,
      }),
    )
    const params = await this.#askPlainly(
      tamper({
        _: 'mt_req_DH_params',
        nonce,
        server_nonce,
        p,
        q,
        public_key_fingerprint: (resPq.server_public_key_fingerprints as bigint[])[0] as bigint,
        encrypted_data: oldPadding ? legacyRsa(inner, pem) : rsaPad(inner, pem),
      }),
    )
    const [key, iv] = temporary(server_nonce, newNonce)
    const answer = Buffer.from(igeDecrypt(params.encrypted_answer as Buffer, key, iv))
    const dh = new TlReader(schema, answer.subarray(20)).object()
    expect(dh).toMatchObject({ dh_prime: PRIME, g: GENERATOR })
    const privateKey = newPrivateKey()
    this.authKey = bytes(power(number(dh.g_a as Buffer), privateKey))
    const client = encodeObject(
      schema,
      tamper({
        _: 'mt_client_DH_inner_data',
        nonce,
        server_nonce,
        retry_id: 0n,
        g_b: bytes(power(BigInt(GENERATOR), privateKey)),
      }),
    )
    const hashed = Buffer.concat([sha1(client), client])
    const padded = Buffer.concat([hashed, randomBytes((16 - (hashed.length % 16)) % 16)])
    const done = await this.#askPlainly(
      tamper({
        _: 'mt_set_client_DH_params',
        nonce,
        server_nonce,
        encrypted_data: igeEncrypt(padded, key, iv),
      }),
    )
    expect(done._).toBe('mt_dh_gen_ok')
    const expected = sha1(newNonce, Buffer.from([1]), sha1(this.authKey).subarray(0, 8)).subarray(4)
    expect(done.new_nonce_hash1).toEqual(expected)
    this.salt = newNonce.readBigInt64LE() ^ server_nonce.readBigInt64LE()
  }

  nextId(offsetSeconds = 0): bigint {
    const now = Date.now() + offsetSeconds * 1000
    let id =
      (BigInt(Math.floor(now / 1000)) << 32n) | (BigInt(Math.floor(((now % 1000) / 1000) * 2 ** 30)) << 2n)
    if (offsetSeconds === 0) {
      if (id <= this.#lastId) id = this.#lastId + 4n
      this.#lastId = id
    }
    return id
  }

  nextSeqNo(isContent: boolean): number {
    const seqNo = this.#sequence * 2 + (isContent ? 1 : 0)
    if (isContent) this.#sequence++
    return seqNo
  }

  /** Sends an encrypted message, and returns its id. */
  send(object: TlObject, options: SendOptions = {}): bigint {
    const content = options.content ?? true
    return this.sendBody(encodeObject(schema, object), { ...options, content })
  }

  sendBody(
    body: Uint8Array,
    {
      messageId = this.nextId(),
      content = true,
      salt = this.salt,
      seqNo = this.nextSeqNo(content),
      quickAck = false,
    }: SendOptions = {},
  ): bigint {
    const payload = encrypt(
      this.authKey,
      { salt, sessionId: this.sessionId, messageId, seqNo, body },
      'client',
    )
    if (quickAck) {
      // The highest bit of the length requests a quick acknowledgement.
      this.tokens.due.push(((decrypt(this.authKey, payload, 'client')?.token ?? 0) | 0x80000000) >>> 0)
      const frame = this.speech.framing.wrap(payload)
      frame[3] = (frame[3] as number) | 0x80
      this.write(frame)
    } else this.frame(payload)
    return messageId
  }

  /** Sends several messages in a container. */
  sendContainer(
    bodies: readonly TlObject[],
    options: SendOptions = {},
  ): {
    readonly container: bigint
    readonly ids: readonly bigint[]
  } {
    const parts = bodies.map((object) => ({
      id: this.nextId(),
      seqNo: this.nextSeqNo(true),
      body: encodeObject(schema, object),
    }))
    const writer = new TlWriter(schema).uint(CONTAINER).uint(parts.length)
    for (const { id, seqNo, body } of parts) writer.long(id).uint(seqNo).uint(body.length).raw(body)
    const container = this.sendBody(writer.result(), { content: false, ...options })
    return { container, ids: parts.map(({ id }) => id) }
  }

  /** Calls a method, and waits for the answer. */
  async call(object: TlObject): Promise<TlValue> {
    const id = this.send(object)
    return (await this.until((each) => each.answers === id)).object
  }

  async until(matches: (came: Came) => boolean): Promise<Came> {
    return this.#wait(() => this.came.find(matches))
  }

  /** Waits until the function finds something, and returns it. */
  async when<T>(find: () => T | undefined): Promise<T> {
    return this.#wait(find)
  }

  async untilClosed(): Promise<void> {
    await this.#wait(() => (this.closed ? true : undefined))
  }

  async untilError(): Promise<number> {
    return this.#wait(() => this.errors.shift())
  }

  async #wait<T>(find: () => T | undefined): Promise<T> {
    const deadline = Date.now() + 60_000
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      if (Date.now() > deadline)
        throw new Error(`did not come; came: ${this.came.map(({ object }) => object._).join(', ')}`)
      await new Promise<void>((done) => {
        const timer = setTimeout(done, 200)
        this.#listeners.push(() => {
          clearTimeout(timer)
          done()
        })
      })
    }
  }

  async #askPlainly(object: TlObject): Promise<TlObject> {
    this.sendPlainly(encodeObject(schema, object))
    return this.#wait(() => {
      if (this.closed) throw new Error('closed')
      return this.#plain.shift()
    })
  }

  #told(): void {
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }

  #receive(chunk: Buffer): void {
    this.#buffered.push(this.speech.veil?.incoming(chunk) ?? chunk)
    for (;;) {
      if (
        this.tokens.due.length > this.tokens.came.length &&
        ((this.#buffered.peek(4)[3] ?? 0) & 0x80) !== 0
      ) {
        this.tokens.came.push(this.#buffered.take(4).readUInt32LE())
        continue
      }
      const frame = this.speech.framing.next(this.#buffered)
      if (frame === undefined) break
      this.#take(frame.payload)
    }
    this.#told()
  }

  #take(payload: Buffer): void {
    if (payload.length < 20) {
      this.errors.push(payload.readInt32LE(0))
      return
    }
    if (payload.readBigUInt64LE(0) === 0n) {
      this.#plain.push(new TlReader(schema, payload.subarray(20)).object())
      return
    }
    expect(payload.readBigUInt64LE(0)).toBe(authKeyId(this.authKey))
    const whole = payload.subarray(0, payload.length - ((payload.length - 24) % 16))
    const opened = decrypt(this.authKey, whole, 'server')
    if (opened === undefined) throw new Error('the server encrypts wrongly')
    const reader = new TlReader(schema, opened.body)
    if (reader.peek() !== CONTAINER) {
      this.#read(opened)
      return
    }
    reader.uint()
    const parts = partsOf(reader) ?? []
    this.containers.push({
      messageId: opened.messageId,
      seqNo: opened.seqNo,
      parts: parts.map(({ id }) => id),
    })
    for (const { id: messageId, seqNo, body } of parts) this.#read({ messageId, seqNo, body })
  }

  #read({ messageId, seqNo, body }: Pick<Envelope, 'messageId' | 'seqNo' | 'body'>): void {
    const reader = new TlReader(this.reading, body)
    if (reader.peek() !== RPC_RESULT) {
      this.came.push({ messageId, seqNo, object: reader.object() })
      return
    }
    reader.uint()
    const answers = BigInt.asUintN(64, reader.long())
    if (reader.peek() === GZIP) this.packed++
    const value = reader.boxed()
    const object = (typeof value === 'object' && '_' in value ? value : { _: 'value', value }) as TlObject
    this.came.push({ messageId, seqNo, object, answers })
  }
}

/** RSA_PAD (https://core.telegram.org/mtproto/auth_key, 4.1). */
function rsaPad(inner: Buffer, pem: string): Buffer {
  for (;;) {
    const data = Buffer.concat([inner, randomBytes(192 - inner.length)])
    const key = randomBytes(32)
    const withHash = Buffer.concat([Buffer.from(data).reverse(), sha256(key, data)])
    const encrypted = Buffer.from(igeEncrypt(withHash, key, Buffer.alloc(32)))
    const hash = sha256(encrypted)
    const masked = Buffer.from(key.map((byte, i) => byte ^ (hash[i] as number)))
    try {
      return publicEncrypt(
        { key: createPublicKey(pem), padding: constants.RSA_NO_PADDING },
        Buffer.concat([masked, encrypted]),
      )
    } catch {
      // The number is larger than the modulus, so the key is drawn again.
    }
  }
}

/** The padding used before 2021: digest, data, random bytes. */
function legacyRsa(inner: Buffer, pem: string): Buffer {
  const plain = Buffer.concat([Buffer.alloc(1), sha1(inner), inner, randomBytes(235 - inner.length)])
  return publicEncrypt({ key: createPublicKey(pem), padding: constants.RSA_NO_PADDING }, plain)
}

function temporary(serverNonce: Buffer, newNonce: Buffer): readonly [Buffer, Buffer] {
  const [first, second, third] = [
    sha1(newNonce, serverNonce),
    sha1(serverNonce, newNonce),
    sha1(newNonce, newNonce),
  ]
  return [
    Buffer.concat([first, second.subarray(0, 12)]),
    Buffer.concat([second.subarray(12), third, newNonce.subarray(0, 4)]),
  ]
}
