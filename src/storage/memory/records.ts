import type { Ms } from '../../core/duration.js'
import type { Penalty } from './penalties.js'

/** Cells before a record's own: its key, then its links (two 32-bit halves of one cell). */
export const HEADER_CELLS = 2
const LINK_NEXT = 2
const LINK_PENALTY = 3

// Segments are large, since memory that was never written costs none, and few, so that the way to them stays cached.
const MOST_ROW_BITS = 15
const MOST_SEGMENT_CELLS = 1 << 18
const HEAD_BITS = 15
const HEADS_IN_SEGMENT = 1 << HEAD_BITS
const FIRST_BUCKETS = 1 << 10
const HEAD_MASK = HEADS_IN_SEGMENT - 1

/** Rows that an insertion into a full table looks at before it gives one up. */
const EVICTION_WINDOW = 64
/** Windows it looks at when penalties fill one. */
const EVICTION_WINDOWS = 64
/** Rows that every insertion looks at, so that what has expired makes room before the cap is met. */
const SWEPT_PER_INSERT = 2

/** What tables of one storage count together. */
export interface RecordCounts {
  /** Records given up though they had not expired. */
  evicted: number
  /** Records that found no room. */
  untracked: number
}

/** What a table asks of whoever knows what the cells mean. */
export interface RecordLayout {
  /** Cells of a record, header included. */
  readonly stride: number
  /** Sets the cells of a new record. */
  clear(cells: Float64Array, at: number): void
  /** When nothing in the record matters any longer. */
  expiry(cells: Float64Array, at: number): number
}

/**
 * Records of numbers by number, packed into typed arrays.
 *
 * The index is a linear hash table (Litwin 1980): when it fills, one bucket is split, so growth never pauses and
 * nothing is held twice. Rows stay where they are, in segments; those of a bucket are chained through their headers.
 * A full table gives up what has expired, then what expires soonest: the record whose loss matters least, which
 * also keeps newcomers from pushing out whoever has used up a limit. Rows with a penalty in force stay: a ban, or
 * the memory of one that would make the next longer.
 */
export class RecordTable {
  private readonly segments: Float64Array[] = []
  private readonly rowBits: number
  private readonly rowMask: number
  private readonly links: Int32Array[] = []
  /** By bucket: its first row and one more, so that zeros are empty buckets. */
  private readonly heads: Int32Array[] = [new Int32Array(HEADS_IN_SEGMENT)]
  private buckets = FIRST_BUCKETS
  /** Buckets of the last whole doubling, less one. */
  private roundMask = FIRST_BUCKETS - 1
  private split = 0
  private live = 0
  private used = 0
  private free = -1
  private hand = 0
  private readonly penalties: (Penalty | undefined)[] = [undefined]
  private readonly freePenalties: number[] = []

  constructor(
    private readonly layout: RecordLayout,
    private readonly cap: number,
    private readonly seed: number,
    private readonly counts: RecordCounts,
    /** That of an earlier plan, which empties into this one: both share the cap. */
    private older: RecordTable | undefined,
  ) {
    let bits = MOST_ROW_BITS
    while (bits > 0 && layout.stride * 2 ** bits > MOST_SEGMENT_CELLS) bits--
    this.rowBits = bits
    this.rowMask = (1 << bits) - 1
  }

  /** How many records there are, those in the older table included. */
  get size(): number {
    return this.older === undefined ? this.live : this.live + this.older.size
  }

  /** Bytes of the typed arrays. */
  get bytes(): number {
    const records = this.segments.length * (this.rowMask + 1) * this.layout.stride * 8
    return records + this.heads.length * HEADS_IN_SEGMENT * 4 + (this.older?.bytes ?? 0)
  }

  /** Lets the older table go. */
  dropOlder(): void {
    this.older = undefined
  }

  cellsOf(row: number): Float64Array {
    return this.segments[row >>> this.rowBits] as Float64Array
  }

  offsetOf(row: number): number {
    return (row & this.rowMask) * this.layout.stride
  }

  /** Where the last row that was found lies; undefined if none was. */
  foundCells: Float64Array | undefined
  foundAt = 0

  /** The row of a key, or -1. */
  find(key: number): number {
    const bucket = this.bucketOf(key)
    let row = ((this.heads[bucket >>> HEAD_BITS] as Int32Array)[bucket & HEAD_MASK] as number) - 1
    const stride = this.layout.stride
    while (row >= 0) {
      const segment = row >>> this.rowBits
      const at = (row & this.rowMask) * stride
      const cells = this.segments[segment] as Float64Array
      if (cells[at] === key) {
        this.foundCells = cells
        this.foundAt = at
        return row
      }
      row = (this.links[segment] as Int32Array)[at * 2 + LINK_NEXT] as number
    }
    this.foundCells = undefined
    return -1
  }

  /** Rows in the fullest bucket: the most that a look-up may have to go through. */
  longestChain(): number {
    let longest = 0
    for (let bucket = 0; bucket < this.buckets; bucket++) {
      let length = 0
      let row = ((this.heads[bucket >>> HEAD_BITS] as Int32Array)[bucket & HEAD_MASK] as number) - 1
      for (; row >= 0; row = this.nextOf(row)) length++
      longest = Math.max(longest, length)
    }
    return longest
  }

  /** A cleared row for a key that has none; -1 when there is no room that may be taken. */
  insert(key: number, now: Ms): number {
    this.sweep(now)
    if (this.size >= this.cap && !this.makeRoom(now)) {
      this.counts.untracked++
      return -1
    }
    const row = this.takeRow()
    const cells = this.cellsOf(row)
    const at = this.offsetOf(row)
    cells[at] = key
    this.layout.clear(cells, at)
    const links = this.links[row >>> this.rowBits] as Int32Array
    links[at * 2 + LINK_PENALTY] = 0
    this.chain(row, links, at, this.bucketOf(key))
    this.live++
    if (this.live * 2 > this.buckets) this.splitOne()
    return row
  }

  remove(row: number): void {
    const at = this.offsetOf(row)
    const links = this.links[row >>> this.rowBits] as Int32Array
    const key = this.cellsOf(row)[at] as number
    const bucket = this.bucketOf(key)
    const heads = this.heads[bucket >>> HEAD_BITS] as Int32Array
    const next = links[at * 2 + LINK_NEXT] as number
    let before = (heads[bucket & HEAD_MASK] as number) - 1
    if (before === row) heads[bucket & HEAD_MASK] = next + 1
    else {
      while (this.nextOf(before) !== row) before = this.nextOf(before)
      this.setNext(before, next)
    }
    this.setPenalty(row, undefined)
    // NaN is no key: the row reads as free.
    this.cellsOf(row)[at] = Number.NaN
    links[at * 2 + LINK_NEXT] = this.free
    this.free = row
    this.live--
  }

  penaltyOf(row: number): Penalty | undefined {
    const link = (this.links[row >>> this.rowBits] as Int32Array)[
      this.offsetOf(row) * 2 + LINK_PENALTY
    ] as number
    return link === 0 ? undefined : this.penalties[link]
  }

  setPenalty(row: number, penalty: Penalty | undefined): void {
    const links = this.links[row >>> this.rowBits] as Int32Array
    const cell = this.offsetOf(row) * 2 + LINK_PENALTY
    let link = links[cell] as number
    if (penalty === undefined) {
      if (link === 0) return
      this.penalties[link] = undefined
      this.freePenalties.push(link)
      links[cell] = 0
      return
    }
    if (link === 0) {
      link = this.freePenalties.pop() ?? this.penalties.length
      links[cell] = link
    }
    this.penalties[link] = penalty
  }

  private bucketOf(key: number): number {
    // Murmur3's finalizer over both halves of the key, seeded: nobody can choose ids that meet in one bucket.
    const low = key | 0
    const high = ((key - (low >>> 0)) / 4294967296) | 0
    let hash = Math.imul(low ^ this.seed, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 15) ^ high, 0xc2b2ae35)
    hash = Math.imul(hash ^ (hash >>> 13), 0x27d4eb2f)
    hash ^= hash >>> 16
    const bucket = hash & this.roundMask
    return bucket < this.split ? hash & (this.roundMask * 2 + 1) : bucket
  }

  private nextOf(row: number): number {
    return (this.links[row >>> this.rowBits] as Int32Array)[this.offsetOf(row) * 2 + LINK_NEXT] as number
  }

  private setNext(row: number, next: number): void {
    ;(this.links[row >>> this.rowBits] as Int32Array)[this.offsetOf(row) * 2 + LINK_NEXT] = next
  }

  private chain(row: number, links: Int32Array, at: number, bucket: number): void {
    const heads = this.heads[bucket >>> HEAD_BITS] as Int32Array
    links[at * 2 + LINK_NEXT] = (heads[bucket & HEAD_MASK] as number) - 1
    heads[bucket & HEAD_MASK] = row + 1
  }

  private takeRow(): number {
    if (this.free >= 0) {
      const row = this.free
      this.free = this.nextOf(row)
      return row
    }
    const row = this.used++
    if (row >>> this.rowBits === this.segments.length) {
      const cells = new Float64Array((this.rowMask + 1) * this.layout.stride)
      this.segments.push(cells)
      this.links.push(new Int32Array(cells.buffer))
    }
    return row
  }

  private splitOne(): void {
    const bucket = this.split
    const added = this.buckets
    if (added >>> HEAD_BITS === this.heads.length) this.heads.push(new Int32Array(HEADS_IN_SEGMENT))
    const heads = this.heads[bucket >>> HEAD_BITS] as Int32Array
    let row = (heads[bucket & HEAD_MASK] as number) - 1
    heads[bucket & HEAD_MASK] = 0
    this.buckets++
    this.split++
    while (row >= 0) {
      const next = this.nextOf(row)
      const at = this.offsetOf(row)
      const key = this.cellsOf(row)[at] as number
      this.chain(row, this.links[row >>> this.rowBits] as Int32Array, at, this.bucketOf(key))
      row = next
    }
    if (this.split > this.roundMask) {
      this.roundMask = this.roundMask * 2 + 1
      this.split = 0
    }
  }

  private sweep(now: Ms): void {
    for (let i = 0; i < SWEPT_PER_INSERT; i++) {
      const row = this.advance()
      if (row >= 0 && this.expiryOf(row) <= now) this.remove(row)
    }
  }

  /** What an earlier plan left and nobody asked for since goes first. */
  private makeRoom(now: Ms): boolean {
    return this.older?.makeRoom(now) === true || this.evict(now)
  }

  private evict(now: Ms): boolean {
    if (this.live === 0) return false
    for (let i = 0; i < EVICTION_WINDOWS; i++) {
      let soonest = -1
      let soonestAt = Number.POSITIVE_INFINITY
      for (let j = 0; j < EVICTION_WINDOW; j++) {
        const row = this.advance()
        if (row < 0) continue
        const penalty = this.penaltyOf(row)
        if (penalty !== undefined && penalty.keptUntil() > now) continue
        const expiry = this.expiryOf(row)
        if (soonest < 0 || expiry < soonestAt) {
          soonest = row
          soonestAt = expiry
          if (expiry <= now) break
        }
      }
      if (soonest >= 0) {
        if (soonestAt > now) this.counts.evicted++
        this.remove(soonest)
        return true
      }
    }
    return false
  }

  /** The next row in turn; -1 where it is free. */
  private advance(): number {
    if (this.used === 0) return -1
    const row = this.hand
    this.hand = row + 1 >= this.used ? 0 : row + 1
    return Number.isNaN(this.cellsOf(row)[this.offsetOf(row)]) ? -1 : row
  }

  private expiryOf(row: number): number {
    const expiry = this.layout.expiry(this.cellsOf(row), this.offsetOf(row))
    const penalty = this.penaltyOf(row)
    return penalty === undefined ? expiry : Math.max(expiry, penalty.expiry())
  }
}
