import type { Ms } from '../../core/duration.js'
import type { Penalty } from './penalty.js'

/** Cells before a record's own: its key. Zero is not a valid key, so that zeroed memory reads as free. */
export const HEADER_CELLS = 1

/** Slots per block, as a power of two; fewer if records are large. */
const MOST_SLOT_BITS = 12
const MOST_BLOCK_CELLS = 1 << 18
/** A block with a higher load is split. */
const MOST_LOAD = 0.75
/** Blocks are selected by the low bits of the hash, slots within a block by the high ones. */
const MOST_DEPTH = 20

/** Records examined by an insertion into a full table before it evicts one. */
const EVICTION_WINDOW = 64
/** How many such windows are examined if penalties protect all records in one. */
const EVICTION_WINDOWS = 64
/** Slots and records examined by every insertion, so that expired records make room before the cap is reached. */
const SWEPT_SLOTS = 8
const SWEPT_RECORDS = 2

/** Counts shared by all tables of one storage. */
export interface RecordCounts {
  /** Records evicted before they expired. */
  evicted: number
  /** Records that found no room. */
  untracked: number
}

/** What a table needs to know about the meaning of the cells. */
export interface RecordLayout {
  /** Cells per record, header included. */
  readonly stride: number
  /** Initialises the cells of a new record. */
  clear(cells: Float64Array, at: number): void
  /** When nothing in the record matters any longer. */
  expiry(cells: Float64Array, at: number): number
}

interface Block {
  readonly id: number
  readonly cells: Float64Array
  /** How many low bits of the hash all keys of the block have in common. */
  depth: number
  count: number
}

/**
 * Records of numbers by numeric key, packed into typed arrays.
 *
 * Uses extendible hashing (Fagin et al. 1979): a small directory points to blocks, and a block is an open-addressed table of
 * records, key first. A look-up thus touches one place in memory, however many records there are; growth splits one block of a
 * few thousand records at a time, without a long pause.
 *
 * A full table evicts expired records, then those that expire soonest: their loss matters least, and newcomers cannot push out a
 * subject that has used up its limit. Records with a penalty in force stay, as do those that remember a ban which would make the
 * next one longer.
 *
 * A row is the location of a record: block id and slot. It is valid until the next insertion or removal.
 */
export class RecordTable {
  /** Location of the last record found; undefined if it was not found. */
  foundCells: Float64Array | undefined
  foundAt = 0

  private readonly slotBits: number
  private readonly slotMask: number
  private readonly stride: number
  private readonly blocks: Block[] = []
  /** By the low bits of the hash. The cells have an array of their own, since every look-up needs them. */
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
    /** The table of an earlier plan, which is gradually emptied into this one. Both share the cap. */
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

  /** Number of records, including those of the older table. */
  get size(): number {
    return this.older === undefined ? this.live : this.live + this.older.size
  }

  /** Bytes taken by the typed arrays. */
  get bytes(): number {
    return this.blocks.length * (this.slotMask + 1) * this.stride * 8 + (this.older?.bytes ?? 0)
  }

  /** Drops the older table. */
  dropOlder(): void {
    this.older = undefined
  }

  cellsOf(row: number): Float64Array {
    return (this.blocks[row >>> this.slotBits] as Block).cells
  }

  offsetOf(row: number): number {
    return (row & this.slotMask) * this.stride
  }

  /** Returns a copy of a row's cells. */
  copyOf(row: number): Float64Array {
    const at = this.offsetOf(row)
    return this.cellsOf(row).slice(at, at + this.stride)
  }

  /** Whether a key has a record. If so, `foundCells` and `foundAt` are its location. */
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

  /** Returns the row of a key, or -1. */
  find(key: number): number {
    if (!this.has(key)) return -1
    const hash = this.hashOf(key)
    const { id } = this.directory[hash & (this.directory.length - 1)] as Block
    return (id << this.slotBits) | (this.foundAt / this.stride)
  }

  /** Returns a cleared row for a key that has none, or -1 if there is no room. */
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

  /** Adds a record for a key that has none and sets `foundCells` and `foundAt`. Returns false if there is no room. */
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
    // Move up records that were displaced past the gap, because a look-up stops at a free slot.
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
    // Murmur3's finalizer over both halves of the key, seeded so that nobody can choose ids that collide.
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

  /** Splits a block in two by one more bit of the hash. Returns false if all bits are used. */
  private split(block: Block): boolean {
    if (block.depth === MOST_DEPTH) return false
    const bit = 1 << block.depth
    if (bit === this.directory.length) {
      this.directory = [...this.directory, ...this.directory]
      this.directoryCells = [...this.directoryCells, ...this.directoryCells]
    }
    const sibling = this.addBlock(++block.depth)
    // All directory entries of this block agree in the bits below the new one.
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
      // Not set() and subarray(): thousands of views would add to the next garbage collection.
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

  /** Evicts from the older table first: its records have not been asked for since the plan changed. */
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

  /** Moves to the next slot. Returns its row, or -1 if it is free. */
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
