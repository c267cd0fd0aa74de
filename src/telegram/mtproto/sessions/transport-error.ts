/**
 * Error codes of four bytes that end a connection (https://core.telegram.org/mtproto/mtproto-transports#transport-errors): -404,
 * unknown key; -429, too many connections, or too much in a message; -444, wrong data centre.
 */
export type TransportCode = -404 | -429 | -444

/** Thrown while reading a message that must be answered with a transport error. */
export class TransportError extends Error {
  override readonly name = 'TransportError'

  constructor(readonly code: TransportCode) {
    super(`transport error ${code}`)
  }
}
