/** The error of handlers that are meant to fail. */
export class HandlerFailed extends Error {}
