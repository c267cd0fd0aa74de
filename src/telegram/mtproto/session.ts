import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Envelope } from '../../mtproto/protocol/message.js'
import {
  CONTAINER,
  GZIP,
  RPC_RESULT,
  TlError,
  type TlObject,
  type TlValue,
} from '../../mtproto/protocol/tl/object.js'
import { gunzip, TlReader } from '../../mtproto/protocol/tl/reader.js'
import { encodeObject, TlWriter } from '../../mtproto/protocol/tl/writer.js'
import type { AuthKey } from './auth-keys.js'
import { leastIdOf } from './containers.js'
import { type BadMessage, badIdOf, SeenIds } from './message-ids.js'
import type { MtprotoServer } from './server.js'

/** A container holds 1020 messages at most, and so do we (https://core.telegram.org/mtproto/service_messages#containers). */
const MOST_CONTAINED = 1020
/** What a client never acknowledges; it will ask for the difference. */
const MOST_UNACKNOWLEDGED = 1000
/** Below this many bytes packing does not pay. */
const WORTH_PACKING = 1024
/** How many answers are kept for a client that asks again. */
const MOST_ANSWERS = 200

/** Where a session's messages go: the connection it was last heard on. */
export interface Wire {
  send(key: AuthKey, envelope: Envelope): void
  close(): void
}

interface Sent {
  readonly seqNo: number
  readonly body: Buffer
}

/** What a client and we say to each other under one key (https://core.telegram.org/mtproto/description#session). */
export class Session {
  /** What `initConnection` told, and since when. */
  layer: number | undefined
  /** Whether it is told of updates. */
  wantsUpdates = true
  /** Ends the session's part in updates. */
  unsubscribe: (() => void) | undefined
  wire: Wire | undefined
  /** Its first message, until the client was told that it has begun. */
  startsWith: bigint | undefined
  /** The key it was last heard under: temporary ones change. */
  key: AuthKey
  readonly #seen = new SeenIds()
  readonly #unacknowledged = new Map<bigint, Sent>()
  readonly #answers = new Map<bigint, bigint>()
  readonly #running = new Set<bigint>()
  #sequence = 0

  constructor(
    readonly server: MtprotoServer,
    key: AuthKey,
    readonly id: bigint,
  ) {
    this.key = key
  }

  /** What came in under a key of its owner. */
  receive(envelope: Envelope, wire: Wire): void {
    const { server } = this
    const now = server.now()
    const moved = this.wire !== wire
    this.wire = wire
    const bad = badIdOf(envelope.messageId, now)
    if (bad !== undefined) {
      this.#complain(envelope.messageId, envelope.seqNo, bad)
      return
    }
    if (!this.key.accepts(envelope.salt, now)) {
      this.#complain(envelope.messageId, envelope.seqNo, 48)
      return
    }
    if (this.startsWith !== undefined) {
      const { messageId, body } = envelope
      this.#begin(this.startsWith < messageId ? this.startsWith : leastIdOf(messageId, body))
      this.startsWith = undefined
    } else if (moved) {
      // What was sent to a connection that is gone may not have come.
      this.#sendAgain()
    }
    this.#take(envelope.messageId, envelope.seqNo, envelope.body, false)
  }

  /** Tells the client that there was none such as its own yet: what it was not told before, it must ask for. */
  #begin(first: bigint): void {
    this.send({
      _: 'mt_new_session_created',
      first_msg_id: first,
      unique_id: randomBytes(8).readBigInt64LE(),
      server_salt: this.key.salt(this.server.now()),
    })
  }

  /** Sends something unasked. */
  send(object: TlObject): void {
    this.#send(encodeObject(this.server.schema, object), true, false)
  }

  close(): void {
    this.unsubscribe?.()
    this.unsubscribe = undefined
    this.wire = undefined
  }

  #take(id: bigint, seqNo: number, body: Uint8Array, contained: boolean): void {
    const reader = new TlReader(this.server.schema, body)
    const kind = reader.peek()
    if (kind === CONTAINER) {
      if (contained) {
        this.#complain(id, seqNo, 64)
        return
      }
      reader.uint()
      this.#takeAll(id, seqNo, reader)
      return
    }
    const isContent = (seqNo & 1) === 1
    switch (this.#seen.add(id)) {
      case 'old':
        this.#complain(id, seqNo, 20)
        return
      case 'seen':
        this.#again(id)
        return
    }
    let request: TlObject
    try {
      request = this.#read(reader, kind)
    } catch (error) {
      if (!(error instanceof TlError)) throw error
      // What nobody can read cannot be done; its sender waits for an answer all the same.
      if (isContent) this.#answer(id, rpcError(400, `INPUT_FETCH_ERROR: ${error.message}`))
      return
    }
    if (this.#service(id, request)) return
    if (!isContent) {
      this.#complain(id, seqNo, 35)
      return
    }
    this.#running.add(id)
    void this.server.rpc.run(this, request).then((result) => {
      this.#running.delete(id)
      this.#answer(id, result)
    })
  }

  #read(reader: TlReader, kind: number): TlObject {
    if (kind !== GZIP) return reader.object()
    reader.uint()
    return new TlReader(this.server.schema, gunzip(reader.bytes())).object()
  }

  #takeAll(id: bigint, seqNo: number, reader: TlReader): void {
    const count = reader.uint()
    if (count > MOST_CONTAINED) {
      this.#complain(id, seqNo, 64)
      return
    }
    for (let i = 0; i < count; i++) {
      const inner = reader.long()
      const innerSeqNo = reader.int()
      const length = reader.int()
      if (length < 0 || length % 4 !== 0) {
        this.#complain(id, seqNo, 64)
        return
      }
      const body = reader.raw(length)
      // "The container's identifier must be greater than those of all messages in it."
      const bad = inner >= id ? 64 : badIdOf(BigInt.asUintN(64, inner), this.server.now())
      if (bad === undefined) this.#take(inner, innerSeqNo, body, true)
      else this.#complain(inner, innerSeqNo, bad)
    }
  }

  /** What is about messages and the session itself; whether it was. */
  #service(id: bigint, request: TlObject): boolean {
    switch (request._) {
      case 'mt_msgs_ack':
        for (const each of request.msg_ids as readonly bigint[]) this.#unacknowledged.delete(each)
        return true
      case 'mt_ping':
      case 'mt_ping_delay_disconnect':
        this.#reply({ _: 'mt_pong', msg_id: id, ping_id: request.ping_id as bigint }, false)
        return true
      case 'mt_get_future_salts':
        this.#salts(id, request.num as number)
        return true
      case 'mt_msgs_state_req':
        this.#reply({ _: 'mt_msgs_state_info', req_msg_id: id, info: this.#states(request) }, false)
        return true
      case 'mt_msg_resend_req':
        for (const each of request.msg_ids as readonly bigint[]) this.#resend(each)
        return true
      case 'mt_destroy_session':
        this.#destroy(request.session_id as bigint)
        return true
      case 'mt_rpc_drop_answer':
        this.#answer(id, { _: 'mt_rpc_answer_unknown' })
        return true
      case 'mt_http_wait':
      case 'mt_msgs_all_info':
      case 'mt_msgs_state_info':
      case 'mt_msg_detailed_info':
      case 'mt_msg_new_detailed_info':
        return true
      case 'mt_destroy_auth_key':
        this.#reply(
          { _: this.server.forget(this.key) ? 'mt_destroy_auth_key_ok' : 'mt_destroy_auth_key_none' },
          true,
        )
        return true
      default:
        return false
    }
  }

  #salts(id: bigint, count: number): void {
    const now = this.server.now()
    const salts = this.key.salts(now, Math.max(1, Math.min(64, count)))
    const described = salts.map(({ since, until, value }) => ({
      _: 'mt_future_salt',
      valid_since: Math.floor(since / 1000),
      valid_until: Math.floor(until / 1000),
      salt: value,
    }))
    const about = { req_msg_id: id, now: Math.floor(now / 1000) }
    this.#reply({ _: 'mt_future_salts', ...about, salts: described }, false)
  }

  /** 1: too old to know. 2: never came. 4: came (https://core.telegram.org/mtproto/service_messages_about_messages). */
  #states(request: TlObject): Buffer {
    const ids = request.msg_ids as readonly bigint[]
    return Buffer.from(ids.map((id) => (this.#seen.has(id) ? 4 : id <= this.#seen.floor ? 1 : 2)))
  }

  #destroy(id: bigint): void {
    const gone = id !== this.id && this.server.endSession(this.key.lasting, id)
    this.#reply({ _: gone ? 'mt_destroy_session_ok' : 'mt_destroy_session_none', session_id: id }, true)
  }

  #complain(id: bigint, seqNo: number, code: BadMessage): void {
    const about = { bad_msg_id: id, bad_msg_seqno: seqNo, error_code: code }
    if (code !== 48) {
      this.#reply({ _: 'mt_bad_msg_notification', ...about }, false)
      return
    }
    const salt = this.key.salt(this.server.now())
    this.#reply({ _: 'mt_bad_server_salt', ...about, new_server_salt: salt }, false)
  }

  /** Asked again: what was answered is said again, what runs will be. */
  #again(id: bigint): void {
    const answer = this.#answers.get(id)
    if (answer !== undefined) this.#resend(answer)
    else if (!this.#running.has(id)) this.#reply({ _: 'mt_msgs_ack', msg_ids: [id] }, false)
  }

  #answer(id: bigint, result: TlValue): void {
    const body = new TlWriter(this.server.schema).any(result).result()
    const writer = new TlWriter(this.server.schema).uint(RPC_RESULT).long(id)
    const packed = body.length >= WORTH_PACKING && !isFile(result) ? gzipSync(body) : undefined
    if (packed !== undefined && packed.length < body.length) writer.uint(GZIP).bytes(packed)
    else writer.raw(body)
    this.#answers.set(id, this.#send(writer.result(), true, true))
    if (this.#answers.size > MOST_ANSWERS) forgetFirst(this.#answers)
  }

  #reply(object: TlObject, isContent: boolean): void {
    this.#send(encodeObject(this.server.schema, object), isContent, true)
  }

  #send(body: Buffer, isContent: boolean, isAnswer: boolean): bigint {
    const id = this.server.messageIds.next(isAnswer)
    const seqNo = this.#sequence * 2 + (isContent ? 1 : 0)
    if (isContent) {
      this.#sequence++
      this.#unacknowledged.set(id, { seqNo, body })
      if (this.#unacknowledged.size > MOST_UNACKNOWLEDGED) forgetFirst(this.#unacknowledged)
    }
    this.#transmit(id, { seqNo, body })
    return id
  }

  #sendAgain(): void {
    for (const [id, sent] of this.#unacknowledged) this.#transmit(id, sent)
  }

  #resend(id: bigint): void {
    const sent = this.#unacknowledged.get(id)
    if (sent !== undefined) this.#transmit(id, sent)
  }

  #transmit(messageId: bigint, { seqNo, body }: Sent): void {
    const salt = this.key.salt(this.server.now())
    this.wire?.send(this.key, { salt, sessionId: this.id, messageId, seqNo, body })
  }
}

export function rpcError(code: number, message: string): TlObject {
  return { _: 'mt_rpc_error', error_code: code, error_message: message }
}

/** Pieces of files are packed by whoever made the files, if at all. */
function isFile(result: TlValue): boolean {
  return typeof result === 'object' && '_' in result && /^upload\.(?:cdnF|f)ile$/.test(result._ as string)
}

function forgetFirst(map: Map<bigint, unknown>): void {
  for (const [first] of map) {
    map.delete(first)
    return
  }
}
