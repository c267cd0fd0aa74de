import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { ServedSession } from './served-session.js'
import { TransportError } from './transport-error.js'
import type { Wire } from './wire.js'

/** Maximum number of salts in an answer (https://core.telegram.org/mtproto/service_messages#request-for-several-future-salts). */
const MOST_SALTS = 64
/** Maximum number of message ids in a request (https://core.telegram.org/mtproto/service_messages_about_messages). */
const MOST_IDS = 8192
/** The longest delay that a timer allows, in seconds. */
const LONGEST_DELAY = 2_147_483

/** How a service message was handled; undefined if the message is not one. */
export type Served = 'answered' | 'taken' | undefined

/**
 * Handles messages about messages and the session: https://core.telegram.org/mtproto/service_messages and
 * https://core.telegram.org/mtproto/service_messages_about_messages.
 */
export function serve(session: ServedSession, id: bigint, request: TlObject, wire: Wire): Served {
  if (Array.isArray(request.msg_ids) && request.msg_ids.length > MOST_IDS) throw new TransportError(-429)
  switch (request._) {
    case 'mt_msgs_ack':
      session.acknowledge(request.msg_ids as readonly bigint[])
      return 'taken'
    case 'mt_ping_delay_disconnect': {
      const delay = Math.max(0, Math.min(LONGEST_DELAY, request.disconnect_delay as number))
      wire.closeAfter(delay * 1000)
      return pong(session, id, request)
    }
    case 'mt_ping':
      return pong(session, id, request)
    case 'mt_get_future_salts':
      return salts(session, id, request.num as number)
    case 'mt_msgs_state_req':
      return states(session, id, request.msg_ids as readonly bigint[])
    case 'mt_msg_resend_req': {
      const ids = request.msg_ids as readonly bigint[]
      // If one of the messages cannot be resent, answers with the states of all.
      if (ids.map((each) => session.resend(each)).includes(false)) return states(session, id, ids)
      return 'taken'
    }
    case 'mt_msg_resend_ans_req': {
      const ids = request.msg_ids as readonly bigint[]
      if (ids.map((each) => session.resendAnswer(unsigned(each))).includes(false))
        return states(session, id, ids)
      return 'taken'
    }
    case 'mt_msgs_all_info':
      informed(session, request)
      return 'taken'
    case 'mt_destroy_session':
      return destroySession(session, request.session_id as bigint)
    case 'mt_rpc_drop_answer':
      session.answer(id, session.drop(unsigned(request.req_msg_id as bigint)))
      return 'answered'
    case 'mt_destroy_auth_key':
      // Replies first: without the key the answer could not be sent.
      session.reply({ _: 'mt_destroy_auth_key_ok' }, true)
      session.server.sessions.forget(session.key)
      return 'answered'
    // No effect over TCP, where nothing has to be polled; and the server never asks for states of its messages.
    case 'mt_http_wait':
    case 'mt_msgs_state_info':
    case 'mt_msg_detailed_info':
    case 'mt_msg_new_detailed_info':
      return 'taken'
    default:
      return undefined
  }
}

/**
 * Whether a message must have an even sequence number, because it needs no acknowledgement. Acknowledgements are exempt: clients
 * such as mtcute number them like requests, and Telegram accepts that.
 */
export function isNeverContent(name: string): boolean {
  return name === 'mt_http_wait'
}

function pong(session: ServedSession, id: bigint, request: TlObject): Served {
  session.reply({ _: 'mt_pong', msg_id: id, ping_id: request.ping_id as bigint }, false)
  return 'answered'
}

function salts(session: ServedSession, id: bigint, count: number): Served {
  const now = session.server.now()
  const salts = session.key.salts(now, Math.max(1, Math.min(MOST_SALTS, count)))
  const described = salts.map(({ since, until, value }) => ({
    _: 'mt_future_salt',
    valid_since: Math.floor(since / 1000),
    valid_until: Math.floor(until / 1000),
    salt: value,
  }))
  const about = { req_msg_id: id, now: Math.floor(now / 1000) }
  session.reply({ _: 'mt_future_salts', ...about, salts: described }, false)
  return 'answered'
}

function states(session: ServedSession, id: bigint, ids: readonly bigint[]): Served {
  const info = Buffer.from(ids.map((each) => session.received.stateOf(unsigned(each))))
  session.reply({ _: 'mt_msgs_state_info', req_msg_id: id, info }, false)
  return 'answered'
}

/** Handles states reported by the client: 4 and above acknowledge a message, 2 and 3 cause it to be resent. */
function informed(session: ServedSession, request: TlObject): void {
  const info = request.info as Buffer
  for (const [nth, id] of (request.msg_ids as readonly bigint[]).entries()) {
    const state = (info[nth] ?? 0) & 7
    if (state >= 4) session.acknowledge([id])
    else if (state === 2 || state === 3) session.resend(id)
  }
}

function destroySession(session: ServedSession, id: bigint): Served {
  // "A session cannot destroy itself": it could not send the answer.
  const isGone = id !== session.id && session.server.sessions.end(session.key.lasting, id)
  session.reply({ _: isGone ? 'mt_destroy_session_ok' : 'mt_destroy_session_none', session_id: id }, true)
  return 'answered'
}

function unsigned(id: bigint): bigint {
  return BigInt.asUintN(64, id)
}
