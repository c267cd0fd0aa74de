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
import { TlReader } from '../../../mtproto/protocol/tl/reader.js'
import type { Schema } from '../../../mtproto/protocol/tl/schema.js'
import { TlWriter } from '../../../mtproto/protocol/tl/writer.js'
import { fitted } from '../layers/fit.js'
import { layers } from '../layers/layers.js'
import { rpcError } from '../rpc-error.js'
import type { AuthKey } from './auth-keys.js'
import type { ClientSession } from './client-session.js'
import { contained, leastIdOf, originalOf, partsOf } from './containers.js'
import { type BadMessage, badIdOf } from './message-ids.js'
import { Outbox, type Sent } from './outbox.js'
import { Received } from './received.js'
import { SendQueue } from './send-queue.js'
import type { ServedSession } from './served-session.js'
import { isNeverContent, type Served, serve } from './service-messages.js'
import type { SessionHost } from './session-host.js'
import type { Wire } from './wire.js'

/** Minimum size, in bytes, of answers that are compressed. */
const WORTH_PACKING = 1024
/** Answers above this size, in bytes, are only announced when a request is repeated, and resent if the client asks for them. */
const LONG_ANSWER = 1024

/** A session of a client under one key (https://core.telegram.org/mtproto/description#session). */
export class Session implements ClientSession, ServedSession {
  wantsUpdates = true
  unsubscribe: (() => void) | undefined
  wire: Wire | undefined
  /** Id of the session's first message, until the client was told that the session has begun. */
  startsWith: bigint | undefined
  key: AuthKey
  readonly received = new Received()
  readonly #outbox = new Outbox()
  readonly #queue = new SendQueue((wire, messages) => this.#write(wire, messages))
  readonly #running = new Set<bigint>()
  /** Running requests that were not acknowledged yet. */
  readonly #toAcknowledge = new Set<bigint>()

  constructor(
    readonly server: SessionHost,
    key: AuthKey,
    readonly id: bigint,
  ) {
    this.key = key
  }

  /** Handles a message received under a key of the session's owner. */
  receive(envelope: Envelope, wire: Wire): void {
    const now = this.server.now()
    const { messageId, seqNo, body } = envelope
    const bad = badIdOf(messageId, now) ?? (this.key.accepts(envelope.salt, now) ? undefined : 48)
    if (bad !== undefined) {
      this.#complain(messageId, seqNo, bad, wire)
      return
    }
    // A repeated message may be a replay by an attacker, so it does not move the session to another connection.
    if (this.received.status(messageId) === 'new') this.#moveTo(wire, messageId, body)
    this.#take(messageId, seqNo, body, wire)
  }

  send(object: TlObject): void {
    try {
      this.#send(this.#encoded(object), true, false)
    } catch (error) {
      // The client's layer cannot express the object, so the client could not use it.
      if (!(error instanceof TlError)) throw error
    }
  }

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

  acknowledge(ids: readonly bigint[]): void {
    for (const id of ids) {
      const { answers } = this.#outbox.acknowledge(BigInt.asUintN(64, id)) ?? {}
      const note = answers === undefined ? undefined : this.received.find(answers)
      if (note !== undefined) note.known = true
    }
  }

  resend(id: bigint): boolean {
    return this.#resent(this.#outbox.find(BigInt.asUintN(64, id)))
  }

  resendAnswer(request: bigint): boolean {
    return this.#resent(this.#outbox.answerTo(request))
  }

  drop(request: bigint): TlObject {
    if (this.#running.delete(request)) return { _: 'mt_rpc_answer_dropped_running' }
    const answer = this.#outbox.answerTo(request)
    if (answer === undefined) return { _: 'mt_rpc_answer_unknown' }
    this.#outbox.acknowledge(answer.id)
    const { id, seqNo: seq_no, body } = answer
    return { _: 'mt_rpc_answer_dropped', msg_id: id, seq_no, bytes: body.length }
  }

  outcomeOf(request: bigint): Promise<boolean> | undefined {
    return this.received.find(request)?.outcome
  }

  close(): void {
    this.unsubscribe?.()
    this.unsubscribe = undefined
    this.wire = undefined
  }

  /** Schema of the client's layer. */
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
      // Messages sent to a lost connection may not have arrived.
      for (const sent of this.#outbox.unacknowledged()) this.#transmit(sent)
    }
  }

  /** Tells the client that a new session has begun, so that it asks for updates it may have missed. */
  #begin(first: bigint): void {
    this.send({
      _: 'mt_new_session_created',
      first_msg_id: first,
      unique_id: randomBytes(8).readBigInt64LE(),
      server_salt: this.key.salt(this.server.now()),
    })
  }

  /** Handles one message. `inside` is what contained it: a copy is exempt from the checks of id and sequence number. */
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
      request = reader.object()
    } catch (error) {
      if (!(error instanceof TlError)) throw error
      // An unreadable request still gets an answer, because the client waits for one.
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
      // Some clients give acknowledgements an odd sequence number; acknowledging these would never end.
      if (served === 'taken' && isContent && request._ !== 'mt_msgs_ack') this.#acknowledgeSoon(id)
      return
    }
    if (!isContent) {
      this.#complain(id, seqNo, 35, wire)
      return
    }
    this.#running.add(id)
    this.#acknowledgeSoon(id)
    note.outcome = this.server.run(this, request, id).then((result) => {
      // No answer if the client has cancelled the request meanwhile.
      if (this.#running.delete(id)) this.answer(id, result)
      return !isError(result)
    })
  }

  /**
   * Checks id and sequence number
   * (https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message).
   */
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
    // Added after its contents, whose ids are lower.
    this.received.add(id, seqNo).acknowledged = true
  }

  /**
   * Handles a copy: an earlier message under a new id, because its own has become too old. The original is handled as if it had
   * arrived directly, unless it did (https://core.telegram.org/mtproto/service_messages#message-copies).
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

  /** Handles a repeated request: resends its answer, or announces it if it is long; a running request will be answered anyway. */
  #again(id: bigint, wire: Wire): void {
    const answer = this.#outbox.answerTo(id)
    if (answer === undefined) {
      if (!this.#running.has(id)) this.reply({ _: 'mt_msgs_ack', msg_ids: [id] }, false, wire)
    } else if (answer.body.length > LONG_ANSWER) {
      const { id: answer_msg_id, body } = answer
      // 4 means "received". Telegram's documentation has 0 here, which clients would take for lost.
      const info = { msg_id: id, answer_msg_id, bytes: body.length, status: 4 }
      this.reply({ _: 'mt_msg_detailed_info', ...info }, false, wire)
    } else this.#transmit(answer, wire)
  }

  /** Acknowledges a message at the end of this turn, unless it was answered by then, which has the same effect. */
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
      // Every request gets an answer: an internal error names its place instead of leaving the client waiting.
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
    if (wire !== undefined) this.#queue.add(wire, sent)
  }

  /** Writes one message, or several in a container. */
  #write(wire: Wire, messages: readonly Sent[]): void {
    const {
      id: messageId,
      seqNo,
      body,
    } = messages.length === 1 ? (messages[0] as Sent) : this.#container(messages)
    const salt = this.key.salt(this.server.now())
    wire.send(this.key, { salt, sessionId: this.id, messageId, seqNo, body })
  }

  /** Builds a container, with an id above those of its contents. It is never resent itself, but its contents may be. */
  #container(messages: readonly Sent[]): Sent {
    const isAnswer = messages.some(({ answers }) => answers !== undefined)
    return this.#outbox.add(this.server.messageIds.next(isAnswer), contained(messages), false)
  }
}

/** Parts of files are not compressed: files usually are compressed already. */
function isFile(result: TlValue): boolean {
  return typeof result === 'object' && '_' in result && /^upload\.(?:cdnF|f)ile$/.test(result._ as string)
}

function isError(result: TlValue): boolean {
  return typeof result === 'object' && '_' in result && result._ === 'mt_rpc_error'
}
