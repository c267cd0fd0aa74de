import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Envelope } from '../../../mtproto/protocol/message.js'
import {
  CONTAINER,
  COPY,
  GZIP,
  RPC_RESULT,
  TlError,
  type TlObject,
  type TlValue,
} from '../../../mtproto/protocol/tl/object.js'
import { gunzip, TlReader } from '../../../mtproto/protocol/tl/reader.js'
import type { Schema } from '../../../mtproto/protocol/tl/schema.js'
import { TlWriter } from '../../../mtproto/protocol/tl/writer.js'
import { fitted } from '../layers/fit.js'
import { layers } from '../layers/layers.js'
import { rpcError } from '../rpc-error.js'
import type { MtprotoServer } from '../server.js'
import type { AuthKey } from './auth-keys.js'
import { contained, leastIdOf, originalOf, partsOf } from './containers.js'
import { Departures } from './departures.js'
import { type BadMessage, badIdOf, Received } from './message-ids.js'
import { Outbox, type Sent } from './outbox.js'
import { isNeverContent, type Served, serve } from './service.js'
import type { Wire } from './wire.js'

/** Below this many bytes packing does not pay. */
const WORTH_PACKING = 1024
/** Answers that are longer are told of, and sent again only if the client has not got them. */
const LONG_ANSWER = 1024

/** What a client and we say to each other under one key (https://core.telegram.org/mtproto/description#session). */
export class Session {
  /** Whether it is told of updates. */
  wantsUpdates = true
  /** Ends the session's part in updates. */
  unsubscribe: (() => void) | undefined
  wire: Wire | undefined
  /** Its first message, until the client was told that it has begun. */
  startsWith: bigint | undefined
  /** The key it was last heard under: temporary ones change. */
  key: AuthKey
  readonly received = new Received()
  readonly #outbox = new Outbox()
  readonly #departures = new Departures((wire, messages) => this.#depart(wire, messages))
  readonly #running = new Set<bigint>()
  /** Requests that run, and whose sender was not told yet that they came. */
  readonly #toAcknowledge = new Set<bigint>()

  constructor(
    readonly server: MtprotoServer,
    key: AuthKey,
    readonly id: bigint,
  ) {
    this.key = key
  }

  /** What came in under a key of its owner. */
  receive(envelope: Envelope, wire: Wire): void {
    const now = this.server.now()
    const { messageId, seqNo, body } = envelope
    const bad = badIdOf(messageId, now) ?? (this.key.accepts(envelope.salt, now) ? undefined : 48)
    if (bad !== undefined) {
      this.#complain(messageId, seqNo, bad, wire)
      return
    }
    // What was said before may be said again by somebody who only listened: it moves the session nowhere.
    if (this.received.status(messageId) === 'new') this.#moveTo(wire, messageId, body)
    this.#take(messageId, seqNo, body, wire)
  }

  /** Sends something unasked. */
  send(object: TlObject): void {
    try {
      this.#send(this.#encoded(object), true, false)
    } catch (error) {
      // Nothing of it is known in the client's layer: it would not know what to do with it.
      if (!(error instanceof TlError)) throw error
    }
  }

  /** Answers something that is about messages. */
  reply(object: TlObject, isContent: boolean, wire?: Wire): void {
    this.#send(this.#encoded(object), isContent, true, undefined, wire)
  }

  answer(id: bigint, result: TlValue): void {
    const body = this.#result(result)
    const writer = new TlWriter(this.server.schema).uint(RPC_RESULT).long(id)
    const packed = body.length >= WORTH_PACKING && !isFile(result) ? gzipSync(body) : undefined
    if (packed !== undefined && packed.length < body.length) writer.uint(GZIP).bytes(packed)
    else writer.raw(body)
    const note = this.received.find(id)
    if (note !== undefined) {
      note.answered = true
      note.acknowledged = true
    }
    this.#toAcknowledge.delete(id)
    this.#send(writer.result(), true, true, id)
  }

  /** The client has them. */
  acknowledge(ids: readonly bigint[]): void {
    for (const id of ids) {
      const { answers } = this.#outbox.acknowledge(BigInt.asUintN(64, id)) ?? {}
      const note = answers === undefined ? undefined : this.received.find(answers)
      if (note !== undefined) note.known = true
    }
  }

  /** Whether it could be. */
  resend(id: bigint): boolean {
    return this.#resent(this.#outbox.find(BigInt.asUintN(64, id)))
  }

  resendAnswer(request: bigint): boolean {
    return this.#resent(this.#outbox.answerTo(request))
  }

  /** The client wants no answer to a request any longer (https://core.telegram.org/mtproto/service_messages#cancellation-of-an-rpc-query). */
  drop(request: bigint): TlObject {
    if (this.#running.delete(request)) return { _: 'mt_rpc_answer_dropped_running' }
    const answer = this.#outbox.answerTo(request)
    if (answer === undefined) return { _: 'mt_rpc_answer_unknown' }
    this.#outbox.acknowledge(answer.id)
    const { id, seqNo: seq_no, body } = answer
    return { _: 'mt_rpc_answer_dropped', msg_id: id, seq_no, bytes: body.length }
  }

  close(): void {
    this.unsubscribe?.()
    this.unsubscribe = undefined
    this.wire = undefined
  }

  /** What the client knows. */
  get #schema(): Schema {
    const { layer } = this.key.lasting
    return layer === undefined ? this.server.schema : layers().schema(layer)
  }

  #moveTo(wire: Wire, messageId: bigint, body: Uint8Array): void {
    const moved = this.wire !== wire
    this.wire = wire
    if (this.startsWith !== undefined) {
      this.#begin(this.startsWith < messageId ? this.startsWith : leastIdOf(messageId, body))
      this.startsWith = undefined
    } else if (moved) {
      // What was sent to a connection that is gone may not have come.
      for (const sent of this.#outbox.unacknowledged()) this.#transmit(sent)
    }
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

  /** `inside` of what it came: a copy may stand where no new message could. */
  #take(id: bigint, seqNo: number, body: Uint8Array, wire: Wire, inside?: 'container' | 'copy'): void {
    const reader = new TlReader(this.server.schema, body)
    const kind = reader.left < 4 ? 0 : reader.peek()
    const isNested = inside !== undefined && (kind === CONTAINER || (inside === 'copy' && kind === COPY))
    const bad = isNested ? 64 : inside === 'copy' ? undefined : this.#misfit(id, seqNo, kind)
    if (bad !== undefined) {
      this.#complain(id, seqNo, bad, wire)
      return
    }
    if (this.received.status(id) === 'seen') {
      this.#again(id, wire)
      return
    }
    if (kind === CONTAINER) {
      reader.uint()
      this.#takeAll(id, seqNo, reader, wire)
      return
    }
    if (kind === COPY) {
      reader.uint()
      this.#takeCopy(id, seqNo, reader, wire)
      return
    }
    const isContent = (seqNo & 1) === 1
    const note = this.received.add(id, seqNo)
    let request: TlObject
    try {
      request = this.#read(reader, kind)
    } catch (error) {
      if (!(error instanceof TlError)) throw error
      // What nobody can read cannot be done; its sender waits for an answer all the same.
      if (isContent) this.answer(id, rpcError(400, `INPUT_FETCH_ERROR: ${error.message}`))
      return
    }
    if (isContent && isNeverContent(request._)) {
      this.#complain(id, seqNo, 34, wire)
      return
    }
    const served: Served = serve(this, id, request, wire)
    if (served !== undefined) {
      note.acknowledged = served === 'answered'
      // Some clients number acknowledgements as if they had content. To acknowledge those would go on for ever.
      if (served === 'taken' && isContent && request._ !== 'mt_msgs_ack') this.#acknowledgeSoon(id)
      return
    }
    if (!isContent) {
      this.#complain(id, seqNo, 35, wire)
      return
    }
    this.#running.add(id)
    this.#acknowledgeSoon(id)
    note.outcome = this.server.rpc.run(this, request, id).then((result) => {
      // Whoever has dropped it in the meantime wants no answer.
      if (this.#running.delete(id)) this.answer(id, result)
      return !isError(result)
    })
  }

  /** What is wrong with where a message stands (https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message). */
  #misfit(id: bigint, seqNo: number, kind: number): BadMessage | undefined {
    const isContainer = kind === CONTAINER
    if (isContainer && (seqNo & 1) === 1) return 34
    switch (this.received.status(id)) {
      case 'old':
        return 20
      case 'seen':
        return isContainer ? 19 : undefined
      default:
        return this.received.misplaced(id, seqNo)
    }
  }

  #read(reader: TlReader, kind: number): TlObject {
    if (kind !== GZIP) return reader.object()
    reader.uint()
    return new TlReader(this.server.schema, gunzip(reader.bytes())).object()
  }

  #takeAll(id: bigint, seqNo: number, reader: TlReader, wire: Wire): void {
    const parts = partsOf(reader)
    // "The container's identifier must be greater than those of all messages in it."
    if (parts === undefined || parts.some((part) => part.id >= id)) {
      this.#complain(id, seqNo, 64, wire)
      return
    }
    const now = this.server.now()
    for (const part of parts) {
      const bad = badIdOf(part.id, now)
      if (bad === undefined) this.#take(part.id, part.seqNo, part.body, wire, 'container')
      else this.#complain(part.id, part.seqNo, bad, wire)
    }
    // After what is in it, for they are earlier.
    this.received.add(id, seqNo).acknowledged = true
  }

  /**
   * An earlier message under a new number, for its own is too old by now: taken as if it had come by itself, unless it did
   * (https://core.telegram.org/mtproto/service_messages#message-copies).
   */
  #takeCopy(id: bigint, seqNo: number, reader: TlReader, wire: Wire): void {
    const original = originalOf(reader)
    if (original === undefined || original.id >= id) {
      this.#complain(id, seqNo, 64, wire)
      return
    }
    this.received.add(id, seqNo)
    this.#acknowledgeSoon(id)
    if (this.received.status(original.id) === 'seen') this.#acknowledgeSoon(original.id)
    else this.#take(original.id, original.seqNo, original.body, wire, 'copy')
  }

  #complain(id: bigint, seqNo: number, code: BadMessage, wire: Wire): void {
    const about = { bad_msg_id: id, bad_msg_seqno: seqNo, error_code: code }
    if (code !== 48) {
      this.reply({ _: 'mt_bad_msg_notification', ...about }, false, wire)
      return
    }
    const salt = this.key.salt(this.server.now())
    this.reply({ _: 'mt_bad_server_salt', ...about, new_server_salt: salt }, false, wire)
  }

  /** Asked again: what was answered is said again, or where that is long, told of; what runs will be. */
  #again(id: bigint, wire: Wire): void {
    const answer = this.#outbox.answerTo(id)
    if (answer === undefined) {
      if (!this.#running.has(id)) this.reply({ _: 'mt_msgs_ack', msg_ids: [id] }, false, wire)
    } else if (answer.body.length > LONG_ANSWER) {
      const { id: answer_msg_id, body } = answer
      // "Received": the page says zero for now, which clients take for lost.
      const info = { msg_id: id, answer_msg_id, bytes: body.length, status: 4 }
      this.reply({ _: 'mt_msg_detailed_info', ...info }, false, wire)
    } else this.#transmit(answer, wire)
  }

  /** Unless it is answered at once, which says the same. */
  #acknowledgeSoon(id: bigint): void {
    this.#toAcknowledge.add(id)
    if (this.#toAcknowledge.size === 1) setImmediate(() => this.#acknowledgeReceived())
  }

  #acknowledgeReceived(): void {
    const ids = [...this.#toAcknowledge]
    this.#toAcknowledge.clear()
    if (ids.length === 0) return
    for (const id of ids) {
      const note = this.received.find(id)
      if (note !== undefined) note.acknowledged = true
    }
    this.reply({ _: 'mt_msgs_ack', msg_ids: ids }, false)
  }

  #encoded(value: TlValue): Buffer {
    const schema = this.#schema
    return new TlWriter(schema).any(schema === this.server.schema ? value : fitted(schema, value)).result()
  }

  #result(result: TlValue): Buffer {
    try {
      return this.#encoded(result)
    } catch (error) {
      // Never a hang: whoever asked is told that it is our fault, and where.
      return this.#encoded(rpcError(500, `INTERNAL: ${error instanceof Error ? error.message : 'unknown'}`))
    }
  }

  #send(body: Buffer, isContent: boolean, isAnswer: boolean, answers?: bigint, wire?: Wire): void {
    const id = this.server.messageIds.next(isAnswer)
    this.#transmit(this.#outbox.add(id, body, isContent, answers), wire)
  }

  #resent(sent: Sent | undefined): boolean {
    if (sent !== undefined) this.#transmit(sent)
    return sent !== undefined
  }

  #transmit(sent: Sent, wire = this.wire): void {
    if (wire !== undefined) this.#departures.add(wire, sent)
  }

  #depart(wire: Wire, messages: readonly Sent[]): void {
    const {
      id: messageId,
      seqNo,
      body,
    } = messages.length === 1 ? (messages[0] as Sent) : this.#container(messages)
    const salt = this.key.salt(this.server.now())
    wire.send(this.key, { salt, sessionId: this.id, messageId, seqNo, body })
  }

  /** Numbered after all that is in it; it is never sent again, but what is in it may be. */
  #container(messages: readonly Sent[]): Sent {
    const isAnswer = messages.some(({ answers }) => answers !== undefined)
    return this.#outbox.add(this.server.messageIds.next(isAnswer), contained(messages), false)
  }
}

/** Pieces of files are packed by whoever made the files, if at all. */
function isFile(result: TlValue): boolean {
  return typeof result === 'object' && '_' in result && /^upload\.(?:cdnF|f)ile$/.test(result._ as string)
}

function isError(result: TlValue): boolean {
  return typeof result === 'object' && '_' in result && result._ === 'mt_rpc_error'
}
