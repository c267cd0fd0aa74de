import type { Ms } from '../../core/duration.js'
import { type Key, keyText } from '../../core/subject.js'
import type { Moment } from './moment.js'

/** State of a token. FREE and PAID may be taken; for PAID, the first taker has paid for the checks that follow. */
export const FREE = 0
export const HELD = 1
export const PAID = 2
const RUNNING = 3
/** The first taker was refused, and so are all later ones. {@link ClaimBook.refuserOf} tells by which check. */
export const REFUSED = 4

/** The claims of one claim check. Serials ensure that only the admission that took a token may settle it. */
export interface ClaimBook {
  stateOf(key: Key, token: number): number
  /** When a token that is not free becomes free. */
  freeAt(key: Key, token: number): Ms
  take(key: Key, token: number, serial: number): void
  /** Records that the taker was refused by the check of a slot. */
  refuse(key: Key, token: number, slot: string): void
  refuserOf(key: Key, token: number): string | undefined
  /** Settles a claim of {@link take}. A late completion counts, unless another taker is running by then. */
  settle(key: Key, token: number, serial: number, to: typeof HELD | typeof PAID): void
  forget(key: Key): void
  /** Continues under a later plan. Existing claims keep their original end. */
  changed(holdFor: Ms, lease: Ms | undefined): void
  readonly size: number
}

interface Claim {
  state: number
  readonly until: Ms
  readonly leaseUntil: Ms
  readonly serial: number
  readonly refuser: string | undefined
}

/**
 * Expiring items in two generations. Once everything in the older one has expired it is dropped as a whole, so there is no sweep
 * to pause for. Bounded: when the newer generation reaches half the cap, the older one is dropped early.
 */
class Generations<T> {
  private newer = new Map<string, T>()
  private older = new Map<string, T>()
  private turnAt = Number.NEGATIVE_INFINITY
  private latest = Number.NEGATIVE_INFINITY
  private readonly half: number

  constructor(cap: number) {
    this.half = Math.max(1, Math.floor(cap / 2))
  }

  get size(): number {
    return this.newer.size + this.older.size
  }

  get(name: string): T | undefined {
    return this.newer.get(name) ?? this.older.get(name)
  }

  set(name: string, item: T, now: Ms, until: Ms): void {
    if (now >= this.turnAt || this.newer.size >= this.half) {
      this.older = now >= this.latest ? new Map() : this.newer
      this.newer = new Map()
      this.turnAt = Math.max(until, this.latest)
    }
    this.latest = Math.max(this.latest, until)
    this.older.delete(name)
    this.newer.set(name, item)
  }

  delete(name: string): void {
    if (!this.newer.delete(name)) this.older.delete(name)
  }

  forget(start: string): void {
    for (const map of [this.newer, this.older]) {
      for (const name of map.keys()) if (name.startsWith(start)) map.delete(name)
    }
  }
}

/** Claims on digests, for short spans (a double tap, an album). */
export class DigestClaims implements ClaimBook {
  private readonly claims: Generations<Claim>

  constructor(
    private holdFor: Ms,
    private lease: Ms | undefined,
    cap: number,
    private readonly moment: Moment,
  ) {
    this.claims = new Generations(cap)
  }

  get size(): number {
    return this.claims.size
  }

  changed(holdFor: Ms, lease: Ms | undefined): void {
    this.holdFor = holdFor
    this.lease = lease
  }

  stateOf(key: Key, token: number): number {
    if (this.claims.size === 0) return FREE
    const { now } = this.moment
    const claim = this.claims.get(nameOf(key, token))
    if (claim === undefined || claim.until <= now) return FREE
    return claim.state === RUNNING && claim.leaseUntil <= now ? PAID : claim.state
  }

  freeAt(key: Key, token: number): Ms {
    const claim = this.claims.get(nameOf(key, token))
    if (claim === undefined) return 0
    return claim.state === RUNNING ? Math.min(claim.until, claim.leaseUntil) : claim.until
  }

  take(key: Key, token: number, serial: number): void {
    const leaseUntil = this.lease === undefined ? Number.POSITIVE_INFINITY : this.moment.now + this.lease
    this.add(key, token, this.lease === undefined ? HELD : RUNNING, leaseUntil, serial, undefined)
  }

  refuse(key: Key, token: number, slot: string): void {
    this.add(key, token, REFUSED, Number.POSITIVE_INFINITY, 0, slot)
  }

  refuserOf(key: Key, token: number): string | undefined {
    return this.claims.get(nameOf(key, token))?.refuser
  }

  settle(key: Key, token: number, serial: number, to: typeof HELD | typeof PAID): void {
    const claim = this.claims.get(nameOf(key, token))
    if (claim === undefined || claim.state === REFUSED || claim.state === PAID) return
    const late = claim.state === RUNNING && claim.leaseUntil <= this.moment.now
    if (late ? to === HELD : claim.serial === serial) claim.state = to
  }

  forget(key: Key): void {
    this.claims.forget(`${keyText(key)} `)
  }

  private add(
    key: Key,
    token: number,
    state: number,
    leaseUntil: Ms,
    serial: number,
    refuser: string | undefined,
  ): void {
    const { now } = this.moment
    const until = now + this.holdFor
    this.claims.set(nameOf(key, token), { state, until, leaseUntil, serial, refuser }, now, until)
  }
}

function nameOf(key: Key, token: number): string {
  return `${typeof key === 'string' ? key : keyText(key)} ${token}`
}

const CHUNK_BITS = 12
const TOKENS_IN_CHUNK = 1 << CHUNK_BITS
const MOST_CHUNKS = 2048

interface Chunk {
  /** Two bits per token: FREE, HELD, PAID or RUNNING. */
  readonly states: Uint32Array
  /** Serial of the chunk's first taker. Lower serials refer to an earlier chunk that was dropped. */
  readonly serial: number
  lapsesAt: Ms
}

interface Running {
  readonly until: Ms
  readonly serial: number
}

/**
 * Claims on numbers that rise by one (update ids), as bitmaps of a quarter of a byte per token. A chunk of 4,096 tokens is held
 * until `holdFor` after the last taking in it. At most 2,048 chunks (eight million tokens, 2 MiB) are kept, the most recently
 * used ones.
 */
export class SequenceClaims implements ClaimBook {
  /** Ordered by last taking. */
  private readonly chunks = new Map<string, Chunk>()
  private readonly running: Generations<Running>
  /** Cache of the last look-up: key, first token and chunk (if there is one). */
  private lastKey: Key | undefined
  private lastFrom = 0
  private lastChunk: Chunk | undefined
  private newest: Chunk | undefined

  constructor(
    private holdFor: Ms,
    private lease: Ms | undefined,
    cap: number,
    private readonly moment: Moment,
  ) {
    this.running = new Generations(cap)
  }

  get size(): number {
    return this.chunks.size
  }

  changed(holdFor: Ms, lease: Ms | undefined): void {
    this.holdFor = holdFor
    this.lease = lease
  }

  stateOf(key: Key, token: number): number {
    const { now } = this.moment
    const chunk = this.chunkOf(key, token)
    if (chunk === undefined || chunk.lapsesAt <= now) return FREE
    const state = read(chunk, token)
    if (state !== RUNNING) return state
    const running = this.running.get(nameOf(key, token))
    return running === undefined || running.until <= now ? PAID : RUNNING
  }

  freeAt(key: Key, token: number): Ms {
    const chunk = this.chunkOf(key, token)
    if (chunk === undefined) return 0
    if (read(chunk, token) !== RUNNING) return chunk.lapsesAt
    return Math.min(chunk.lapsesAt, this.running.get(nameOf(key, token))?.until ?? 0)
  }

  take(key: Key, token: number, serial: number): void {
    const { now } = this.moment
    let chunk = this.chunkOf(key, token)
    if (chunk === undefined || chunk.lapsesAt <= now) chunk = this.addChunk(key, token, now, serial)
    else if (chunk !== this.newest) this.moveUp(key, token, chunk)
    chunk.lapsesAt = now + this.holdFor
    if (this.lease === undefined) write(chunk, token, HELD)
    else {
      const until = now + this.lease
      this.running.set(nameOf(key, token), { until, serial }, now, until)
      write(chunk, token, RUNNING)
    }
  }

  /** Takes a token if it is free and returns whether it was: `stateOf()` and `take()` with a single look-up. */
  takeFree(key: Key, token: number, serial: number): boolean {
    const { now } = this.moment
    const chunk = this.chunkOf(key, token)
    if (chunk === undefined || chunk !== this.newest || chunk.lapsesAt <= now || this.lease !== undefined) {
      if (this.stateOf(key, token) !== FREE) return false
      this.take(key, token, serial)
      return true
    }
    const index = token % TOKENS_IN_CHUNK
    const shift = (index & 15) * 2
    const word = chunk.states[index >>> 4] as number
    if (((word >>> shift) & 3) !== FREE) return false
    chunk.states[index >>> 4] = word | (HELD << shift)
    chunk.lapsesAt = now + this.holdFor
    return true
  }

  /** Sequences never waive (`checkPlan` enforces this), so no token is ever marked as refused. */
  refuse(): void {}

  refuserOf(): undefined {
    return undefined
  }

  settle(key: Key, token: number, serial: number, to: typeof HELD | typeof PAID): void {
    const { now } = this.moment
    const chunk = this.chunkOf(key, token)
    if (chunk === undefined || chunk.lapsesAt <= now) return
    const state = read(chunk, token)
    if (state === HELD && this.lease === undefined && chunk.serial <= serial) write(chunk, token, to)
    if (state !== RUNNING) return
    const name = nameOf(key, token)
    const running = this.running.get(name)
    const late = running === undefined || running.until <= now
    if (late ? to === PAID : running.serial !== serial) return
    this.running.delete(name)
    write(chunk, token, to)
  }

  forget(key: Key): void {
    const start = `${keyText(key)} `
    for (const name of this.chunks.keys()) if (name.startsWith(start)) this.chunks.delete(name)
    this.running.forget(start)
    this.lastKey = undefined
    this.newest = undefined
  }

  private chunkOf(key: Key, token: number): Chunk | undefined {
    const place = token - this.lastFrom
    if (place >= 0 && place < TOKENS_IN_CHUNK && key === this.lastKey) return this.lastChunk
    const number = Math.floor(token / TOKENS_IN_CHUNK)
    this.lastKey = key
    this.lastFrom = number * TOKENS_IN_CHUNK
    this.lastChunk = this.chunks.get(nameOf(key, number))
    return this.lastChunk
  }

  private addChunk(key: Key, token: number, now: Ms, serial: number): Chunk {
    for (const [oldest, { lapsesAt }] of this.chunks) {
      if (lapsesAt > now && this.chunks.size < MOST_CHUNKS) break
      this.chunks.delete(oldest)
    }
    const chunk = { states: new Uint32Array(TOKENS_IN_CHUNK / 16), serial, lapsesAt: now }
    this.moveUp(key, token, chunk)
    return chunk
  }

  /** Makes a chunk the most recently used. */
  private moveUp(key: Key, token: number, chunk: Chunk): void {
    const name = nameOf(key, Math.floor(token / TOKENS_IN_CHUNK))
    this.chunks.delete(name)
    this.chunks.set(name, chunk)
    this.lastChunk = chunk
    this.newest = chunk
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
