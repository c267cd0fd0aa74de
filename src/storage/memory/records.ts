import type { Ms } from '../../core/duration.js'
import type { Penalty } from './penalties.js'

/** Cells before a record's own: its key. Zero is no key, so that fresh memory reads as free. */
export const HEADER_CELLS = 1

/** Records of a block, as a power of two; fewer where records are large. */
const MOST_SLOT_BITS = 12
const MOST_BLOCK_CELLS = 1 << 18
/** A block that is fuller than this is split. */
const MOST_LOAD = 0.75
/** Blocks are told apart by the low bits of the hash, slots in a block by the high ones. */
const MOST_DEPTH = 20

/** Records that an insertion into a full table looks at before it gives one up. */
const EVICTION_WINDOW = 64
/** Windows it looks at when penalties fill one. */
const EVICTION_WINDOWS = 64
/** Slots and records that every insertion looks at, so that what has expired makes room before the cap is met. */
const SWEPT_SLOTS = 8
const SWEPT_RECORDS = 2

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

interface Block {
  readonly id: number
  readonly cells: Float64Array
  /** How many low bits of the hash all its keys have in common. */
  depth: number
  count: number
}

/**
 * Records of numbers by number, packed into typed arrays.
 *
 * Extendible hashing (Fagin et al. 1979): a small directory leads to blocks, and a block is an open-addressed table
 * of records, key first. So a look-up touches one place in memory, however many records there are; and growth splits
 * one block of a few thousand records at a time, never pausing for all.
 *
 * A full table gives up what has expired, then what expires soonest: the record whose loss matters least, which
 * also keeps newcomers from pushing out whoever has used up a limit. Records with a penalty in force stay: a ban, or
 * the memory of one that would make the next longer.
 *
 * A row is where a record lies: the block's id and the slot. It holds until the next insertion or removal.
 */
export class RecordTable {
  /** Where the last record that was found lies; undefined if none was. */
  foundCells: Float64Array | undefined
  foundAt = 0

  private readonly slotBits: number
  private readonly slotMask: number
  private readonly stride: number
  private readonly blocks: Block[] = []
  /** By the low bits of the hash. The cells stand by themselves, since every look-up needs them. */
  private directory: Block[]
  private directoryCells: Float64Array[]
  private live = 0
  private hand = 0
  private readonly penalties = new Map<number, Penalty>()

  constructor(
    private readonly layout: RecordLayout,
    private readonly cap: number,
    private readonly seed: number,
    private readonly counts: RecordCounts,
    /** That of an earlier plan, which empties into this one: both share the cap. */
    private older: RecordTable | undefined,
  ) {
    this.stride = layout.stride
    let bits = MOST_SLOT_BITS
    while (bits > 3 && layout.stride * 2 ** bits > MOST_BLOCK_CELLS) bits--
    this.slotBits = bits
    this.slotMask = (1 << bits) - 1
    const block = this.addBlock(0)
    this.directory = [block]
    this.directoryCells = [block.cells]
  }

  /** How many records there are, those in the older table included. */
  get size(): number {
    return this.older === undefined ? this.live : this.live + this.older.size
  }

  /** Bytes of the typed arrays. */
  get bytes(): number {
    return this.blocks.length * (this.slotMask + 1) * this.stride * 8 + (this.older?.bytes ?? 0)
  }

  /** Lets the older table go. */
  dropOlder(): void {
    this.older = undefined
  }

  cellsOf(row: number): Float64Array {
    return (this.blocks[row >>> this.slotBits] as Block).cells
  }

  offsetOf(row: number): number {
    return (row & this.slotMask) * this.stride
  }

  /** The cells of a row, as they are now. */
  copyOf(row: number): Float64Array {
    const at = this.offsetOf(row)
    return this.cellsOf(row).slice(at, at + this.stride)
  }

  /** Whether there is a record of a key: `foundCells` and `foundAt` tell where. */
  has(key: number): boolean {
    const hash = this.hashOf(key)
    const { stride, slotMask } = this
    const cells = this.directoryCells[hash & (this.directoryCells.length - 1)] as Float64Array
    let slot = (hash >>> MOST_DEPTH) & slotMask
    for (;;) {
      const at = slot * stride
      const found = cells[at] as number
      if (found === key) {
        this.foundCells = cells
        this.foundAt = at
        return true
      }
      if (found === 0) {
        this.foundCells = undefined
        return false
      }
      slot = (slot + 1) & slotMask
    }
  }

  /** The row of a key, or -1. */
  find(key: number): number {
    if (!this.has(key)) return -1
    const hash = this.hashOf(key)
    const { id } = this.directory[hash & (this.directory.length - 1)] as Block
    return (id << this.slotBits) | (this.foundAt / this.stride)
  }

  /** Records that lie in a row without a gap, at most: so many may a look-up have to go through. */
  longestChain(): number {
    let longest = 0
    for (const { cells } of this.blocks) {
      let length = 0
      for (let slot = 0; slot <= this.slotMask * 2; slot++) {
        length = cells[(slot & this.slotMask) * this.stride] === 0 ? 0 : length + 1
        longest = Math.max(longest, length)
      }
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
    const hash = this.hashOf(key)
    let block = this.directory[hash & (this.directory.length - 1)] as Block
    while (block.count + 1 > (this.slotMask + 1) * MOST_LOAD) {
      if (!this.split(block)) {
        this.counts.untracked++
        return -1
      }
      block = this.directory[hash & (this.directory.length - 1)] as Block
    }
    const slot = this.freeSlot(block, hash)
    block.cells[slot * this.stride] = key
    this.layout.clear(block.cells, slot * this.stride)
    block.count++
    this.live++
    return (block.id << this.slotBits) | slot
  }

  /** Makes the record of a key that has none: `foundCells` and `foundAt` tell where. False when there is no room that may be taken. */
  add(key: number, now: Ms): boolean {
    const row = this.insert(key, now)
    if (row < 0) return false
    this.foundCells = this.cellsOf(row)
    this.foundAt = this.offsetOf(row)
    return true
  }

  remove(row: number): void {
    const block = this.blocks[row >>> this.slotBits] as Block
    const { cells } = block
    const { stride, slotMask } = this
    let gap = row & slotMask
    this.penalties.delete(cells[gap * stride] as number)
    // Whoever was pushed past the gap moves up, so that no look-up ends before it.
    for (let slot = (gap + 1) & slotMask; cells[slot * stride] !== 0; slot = (slot + 1) & slotMask) {
      const home = (this.hashOf(cells[slot * stride] as number) >>> MOST_DEPTH) & slotMask
      if (((slot - home) & slotMask) < ((slot - gap) & slotMask)) continue
      // Not copyWithin(): for a few cells the call costs more than the work.
      for (let i = 0; i < stride; i++) cells[gap * stride + i] = cells[slot * stride + i] as number
      gap = slot
    }
    cells[gap * stride] = 0
    block.count--
    this.live--
  }

  penaltyOf(row: number): Penalty | undefined {
    if (this.penalties.size === 0) return undefined
    return this.penalties.get(this.cellsOf(row)[this.offsetOf(row)] as number)
  }

  setPenalty(row: number, penalty: Penalty | undefined): void {
    const key = this.cellsOf(row)[this.offsetOf(row)] as number
    if (penalty === undefined) this.penalties.delete(key)
    else this.penalties.set(key, penalty)
  }

  private hashOf(key: number): number {
    // Murmur3's finalizer over both halves of the key, seeded: nobody can choose ids that meet in one place.
    const low = key | 0
    const high = ((key - (low >>> 0)) / 4294967296) | 0
    let hash = Math.imul(low ^ this.seed, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 15) ^ high, 0xc2b2ae35)
    hash = Math.imul(hash ^ (hash >>> 13), 0x27d4eb2f)
    return hash ^ (hash >>> 16)
  }

  private addBlock(depth: number): Block {
    const cells = new Float64Array((this.slotMask + 1) * this.stride)
    const block = { id: this.blocks.length, cells, depth, count: 0 }
    this.blocks.push(block)
    return block
  }

  private freeSlot({ cells }: Block, hash: number): number {
    let slot = (hash >>> MOST_DEPTH) & this.slotMask
    while (cells[slot * this.stride] !== 0) slot = (slot + 1) & this.slotMask
    return slot
  }

  /** Makes two blocks of one, by one more bit of the hash; false when there are no more bits. */
  private split(block: Block): boolean {
    if (block.depth === MOST_DEPTH) return false
    const bit = 1 << block.depth
    if (bit === this.directory.length) {
      this.directory = [...this.directory, ...this.directory]
      this.directoryCells = [...this.directoryCells, ...this.directoryCells]
    }
    const sibling = this.addBlock(++block.depth)
    // All entries that led here have the same bits below the new one.
    for (let i = 0; i < this.directory.length; i++) {
      if (this.directory[i] !== block || (i & bit) === 0) continue
      this.directory[i] = sibling
      this.directoryCells[i] = sibling.cells
    }
    const { stride } = this
    const before = block.cells.slice()
    block.cells.fill(0)
    block.count = 0
    for (let at = 0; at < before.length; at += stride) {
      const key = before[at] as number
      if (key === 0) continue
      const hash = this.hashOf(key)
      const target = (hash & bit) === 0 ? block : sibling
      const to = this.freeSlot(target, hash) * stride
      // Not set() and subarray(): thousands of views would be garbage for the next pause.
      for (let i = 0; i < stride; i++) target.cells[to + i] = before[at + i] as number
      target.count++
    }
    return true
  }

  private sweep(now: Ms): void {
    let records = 0
    for (let i = 0; i < SWEPT_SLOTS && records < SWEPT_RECORDS; i++) {
      const row = this.advance()
      if (row < 0) continue
      records++
      if (this.expiryOf(row) <= now) this.remove(row)
    }
  }

  /** What an earlier plan left and nobody asked for since goes first. */
  private makeRoom(now: Ms): boolean {
    return this.older?.makeRoom(now) === true || this.evict(now)
  }

  private evict(now: Ms): boolean {
    const slots = this.blocks.length << this.slotBits
    let looked = 0
    for (let i = 0; i < EVICTION_WINDOWS && looked < slots; i++) {
      let soonest = -1
      let soonestAt = Number.POSITIVE_INFINITY
      for (let records = 0; records < EVICTION_WINDOW && looked < slots; looked++) {
        const row = this.advance()
        if (row < 0) continue
        records++
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
    const row = this.hand
    this.hand = row + 1 >= this.blocks.length << this.slotBits ? 0 : row + 1
    return this.cellsOf(row)[this.offsetOf(row)] === 0 ? -1 : row
  }

  private expiryOf(row: number): number {
    const expiry = this.layout.expiry(this.cellsOf(row), this.offsetOf(row))
    const penalty = this.penaltyOf(row)
    return penalty === undefined ? expiry : Math.max(expiry, penalty.expiry())
  }
}
