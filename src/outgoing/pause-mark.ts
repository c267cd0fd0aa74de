/** The mark of a chat to which nothing is sent until the mark expires. */
export const PAUSED = 'outgoing.paused'
