import type { Ms } from '../../core/duration.js'
import { type Key, keyText } from '../../core/subject.js'

/** How a token stands. A free one may be taken; a paid one too, and what follows was paid by the first taker. */
export const FREE = 0
export const HELD = 1
export const PAID = 2
export const RUNNING = 3
/** From here on: refused by the check with the index `state - REFUSED`. */
export const REFUSED = 4

/** The time of the ask at hand. Held in one place, since passing a double from call to call allocates it anew. */
export class Moment {
  now = Number.NaN
}

/** Who holds what, of one claim check. Serials fence: only who took a token may settle it. */
export interface ClaimBook {
  stateOf(key: Key, token: number): number
  /** When a token that is not free becomes so. */
  freeAt(key: Key, token: number): Ms
  take(key: Key, token: number, state: number, serial: number): void
  settle(key: Key, token: number, serial: number, to: typeof HELD | typeof PAID): void
  forget(key: Key): void
}

interface Claim {
  state: number
  until: Ms
  leaseUntil: Ms
  serial: number
}

/**
 * Claims on digests, for spans that are short (a double tap, an album). All are held equally long, so the order
 * of taking is the order of lapsing, and the front of the map is swept as claims come.
 */
export class DigestClaims implements ClaimBook {
  private readonly claims = new Map<string, Claim>()

  constructor(
    private holdFor: Ms,
    private lease: Ms | undefined,
    private readonly cap: number,
    private readonly moment: Moment,
  ) {}

  /** Goes on under a later plan; what is held stays held as long as it was to be. */
  changed(holdFor: Ms, lease: Ms | undefined): this {
    this.holdFor = holdFor
    this.lease = lease
    return this
  }

  stateOf(key: Key, token: number): number {
    const { now } = this.moment
    if (this.claims.size === 0) return FREE
    const claim = this.claims.get(nameOf(key, token))
    if (claim === undefined || claim.until <= now) return FREE
    return claim.state === RUNNING && claim.leaseUntil <= now ? PAID : claim.state
  }

  freeAt(key: Key, token: number): Ms {
    const claim = this.claims.get(nameOf(key, token))
    if (claim === undefined) return 0
    return claim.state === RUNNING ? Math.min(claim.until, claim.leaseUntil) : claim.until
  }

  take(key: Key, token: number, state: number, serial: number): void {
    const { now } = this.moment
    for (const [name, claim] of this.claims) {
      if (claim.until > now && this.claims.size < this.cap) break
      this.claims.delete(name)
    }
    const name = nameOf(key, token)
    this.claims.delete(name)
    const leased = state === HELD && this.lease !== undefined
    const leaseUntil = leased ? now + (this.lease as Ms) : Number.POSITIVE_INFINITY
    this.claims.set(name, { state: leased ? RUNNING : state, until: now + this.holdFor, leaseUntil, serial })
  }

  settle(key: Key, token: number, serial: number, to: typeof HELD | typeof PAID): void {
    const claim = this.claims.get(nameOf(key, token))
    if (claim?.serial === serial && claim.state !== PAID) claim.state = to
  }

  forget(key: Key): void {
    const start = `${keyText(key)} `
    for (const name of this.claims.keys()) if (name.startsWith(start)) this.claims.delete(name)
  }
}

function nameOf(key: Key, token: number): string {
  return `${typeof key === 'string' ? key : keyText(key)} ${token}`
}

const CHUNK_BITS = 12
const TOKENS_IN_CHUNK = 1 << CHUNK_BITS
const MOST_CHUNKS = 2048

interface Chunk {
  /** Two bits a token: FREE, HELD, PAID or RUNNING. */
  readonly states: Uint32Array
  touchedAt: Ms
}

interface Running {
  readonly until: Ms
  readonly serial: number
}

/**
 * Claims on numbers that rise by one (update ids), as bitmaps: a quarter of a byte each. A chunk of 4,096 is
 * dropped when none of it was taken for `holdFor`; at most 2,048 chunks (eight million tokens, 2 MiB) are kept.
 */
export class SequenceClaims implements ClaimBook {
  private readonly chunks = new Map<string, Chunk>()
  private readonly running = new Map<string, Running>()
  private lastKey: Key | undefined
  private lastNumber = -1
  private lastChunk: Chunk | undefined

  constructor(
    private holdFor: Ms,
    private lease: Ms | undefined,
    private readonly moment: Moment,
  ) {}

  /** Goes on under a later plan. */
  changed(holdFor: Ms, lease: Ms | undefined): this {
    this.holdFor = holdFor
    this.lease = lease
    return this
  }

  stateOf(key: Key, token: number): number {
    const { now } = this.moment
    const chunk = this.chunkOf(key, token)
    if (chunk === undefined || chunk.touchedAt + this.holdFor <= now) return FREE
    const state = read(chunk, token)
    if (state !== RUNNING) return state
    const running = this.running.get(nameOf(key, token))
    return running === undefined || running.until <= now ? PAID : RUNNING
  }

  freeAt(key: Key, token: number): Ms {
    const { now } = this.moment
    const running = this.running.get(nameOf(key, token))
    if (running !== undefined && running.until > now) return running.until
    const chunk = this.chunkOf(key, token)
    return chunk === undefined ? 0 : chunk.touchedAt + this.holdFor
  }

  take(key: Key, token: number, state: number, serial: number): void {
    const { now } = this.moment
    let chunk = this.chunkOf(key, token)
    if (chunk === undefined || chunk.touchedAt + this.holdFor <= now) chunk = this.addChunk(key, token, now)
    chunk.touchedAt = now
    if (state === HELD && this.lease !== undefined) {
      // A worker that never settles leaves its entry: what has lapsed longest is in front.
      for (const [name, running] of this.running) {
        if (running.until > now) break
        this.running.delete(name)
      }
      const name = nameOf(key, token)
      this.running.delete(name)
      this.running.set(name, { until: now + this.lease, serial })
      write(chunk, token, RUNNING)
    } else write(chunk, token, state)
  }

  settle(key: Key, token: number, serial: number, to: typeof HELD | typeof PAID): void {
    const chunk = this.chunkOf(key, token)
    if (chunk === undefined) return
    if (this.lease !== undefined) {
      const name = nameOf(key, token)
      if (this.running.get(name)?.serial !== serial) return
      this.running.delete(name)
    }
    const state = read(chunk, token)
    if (state === HELD || state === RUNNING) write(chunk, token, to)
  }

  forget(key: Key): void {
    const start = `${keyText(key)} `
    for (const name of this.chunks.keys()) if (name.startsWith(start)) this.chunks.delete(name)
    for (const name of this.running.keys()) if (name.startsWith(start)) this.running.delete(name)
    this.lastNumber = -1
  }

  private chunkOf(key: Key, token: number): Chunk | undefined {
    const number = Math.floor(token / TOKENS_IN_CHUNK)
    if (number === this.lastNumber && key === this.lastKey) return this.lastChunk
    this.lastKey = key
    this.lastNumber = number
    this.lastChunk = this.chunks.get(nameOf(key, number))
    return this.lastChunk
  }

  private addChunk(key: Key, token: number, now: Ms): Chunk {
    for (const [oldest, { touchedAt }] of this.chunks) {
      if (touchedAt + this.holdFor > now && this.chunks.size < MOST_CHUNKS) break
      this.chunks.delete(oldest)
    }
    const chunk = { states: new Uint32Array(TOKENS_IN_CHUNK / 16), touchedAt: now }
    this.lastKey = key
    this.lastNumber = Math.floor(token / TOKENS_IN_CHUNK)
    const name = nameOf(key, this.lastNumber)
    this.chunks.delete(name)
    this.chunks.set(name, chunk)
    this.lastChunk = chunk
    return chunk
  }
}

function read(chunk: Chunk, token: number): number {
  const index = token % TOKENS_IN_CHUNK
  return ((chunk.states[index >>> 4] as number) >>> ((index & 15) * 2)) & 3
}

function write(chunk: Chunk, token: number, state: number): void {
  const index = token % TOKENS_IN_CHUNK
  const shift = (index & 15) * 2
  const word = chunk.states[index >>> 4] as number
  chunk.states[index >>> 4] = (word & ~(3 << shift)) | (state << shift)
}
