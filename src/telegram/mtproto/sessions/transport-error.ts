/**
 * What ends a connection with four bytes in place of a message
 * (https://core.telegram.org/mtproto/mtproto-transports#transport-errors): -404, a key that is not known; -429, too much at once, of
 * connections or of what one message may hold; -444, a data centre that this is not.
 */
export type TransportCode = -404 | -429 | -444

/** Thrown by whatever reads a message that is to be answered so. */
export class TransportError extends Error {
  override readonly name = 'TransportError'

  constructor(readonly code: TransportCode) {
    super(`transport error ${code}`)
  }
}
