import { Digest } from '../../core/digest.js'
import type { Documents } from './documents.js'

/** Keys in one document; of more, it is split. */
const MOST_KEYS = 512
/** Hexadecimal digits of a digest that documents are told apart by. Never reached: it takes 2^41 keys. */
const DEEPEST = 8
const DIGITS = '0123456789abcdef'
const PAGE = 1000
const MOST_REMEMBERED = 10_000

/** The same in every process, and for good: it says where a key is filed. */
const digest = Digest.keyed('grammy-sentinel index')

interface Leaf {
  /** Sorted by place. */
  readonly keys: readonly string[]
}
type Node = Leaf | 'split'

/** All indexes of one place. */
export class Indexes {
  /** Leaves that were split, which is for good: they need not be read again. */
  private readonly split = new Set<string>()

  constructor(private readonly documents: Documents) {}

  named(name: string): IndexTree {
    return new IndexTree(this.documents, name, this.split)
  }
}

/** A page of an index, and where the next begins. */
export interface IndexPage {
  readonly keys: readonly string[]
  readonly next?: string
}

/**
 * A set of keys in documents that can only be read and written by name: a tree by the digits of each key's digest, whose
 * leaves hold 512 keys at most and become sixteen when they are full. A key is found, added and taken with some reads and
 * one write, however many there are. Whoever writes must have the turn of the whole index; two processes that write the
 * same leaf at once may lose keys of one of them, which adding them again mends.
 */
export class IndexTree {
  constructor(
    private readonly documents: Documents,
    private readonly name: string,
    private readonly split: Set<string>,
  ) {}

  async add(keys: readonly string[]): Promise<void> {
    await this.change('', byPlace(keys), (held, given) => {
      const all = new Set([...held, ...given])
      return all.size === held.length ? undefined : byPlace([...all])
    })
  }

  async remove(keys: readonly string[]): Promise<void> {
    await this.change('', byPlace(keys), (held, given) => {
      const gone = new Set(given)
      const kept = held.filter((key) => !gone.has(key))
      return kept.length === held.length ? undefined : kept
    })
  }

  /** `from` is the place of the key that the page begins with, so keys taken between two pages hide no others. */
  async page(from = '', size = PAGE): Promise<IndexPage> {
    const most = Math.max(1, size)
    const keys: string[] = []
    await this.collect('', from, most + 1, keys)
    if (keys.length <= most) return { keys }
    return { keys: keys.slice(0, most), next: placeOf(keys[most] as string) }
  }

  private async change(
    path: string,
    given: readonly string[],
    change: (held: readonly string[], given: readonly string[]) => readonly string[] | undefined,
  ): Promise<void> {
    if (given.length === 0) return
    const node = await this.read(path)
    if (node === 'split') {
      for (const [digit, keys] of byDigit(given, path.length)) await this.change(path + digit, keys, change)
      return
    }
    const keys = change(node.keys, given)
    if (keys !== undefined) await this.write(path, keys)
  }

  private async write(path: string, keys: readonly string[]): Promise<void> {
    const name = this.nameOf(path)
    if (keys.length === 0) return this.documents.remove(name)
    if (keys.length <= MOST_KEYS || path.length === DEEPEST) return this.documents.write(name, { keys })
    // The leaves first: should this process end in between, nothing is lost.
    for (const [digit, part] of byDigit(keys, path.length)) await this.write(path + digit, part)
    await this.documents.write(name, { split: true })
  }

  private async collect(path: string, from: string, most: number, into: string[]): Promise<void> {
    const node = await this.read(path)
    if (node !== 'split') {
      const found = from === '' ? node.keys : node.keys.filter((key) => placeOf(key) >= from)
      into.push(...found.slice(0, most - into.length))
      return
    }
    for (const digit of DIGITS) {
      const below = path + digit
      if (into.length >= most) return
      if (below >= from.slice(0, below.length)) await this.collect(below, from, most, into)
    }
  }

  private async read(path: string): Promise<Node> {
    const name = this.nameOf(path)
    if (this.split.has(name)) return 'split'
    const document = (await this.documents.read(name)) as { split?: unknown; keys?: unknown } | undefined
    if (document?.split === true) {
      if (this.split.size >= MOST_REMEMBERED) this.split.clear()
      this.split.add(name)
      return 'split'
    }
    const keys = Array.isArray(document?.keys) ? document.keys : []
    return { keys: keys.filter((key): key is string => typeof key === 'string') }
  }

  private nameOf(path: string): string {
    return path === '' ? this.name : `${this.name}.${path}`
  }
}

/** Where a key stands in the order of the index. */
function placeOf(key: string): string {
  return `${digest.hex(key)} ${key}`
}

function byPlace(keys: readonly string[]): string[] {
  const places = keys.map((key): [place: string, key: string] => [placeOf(key), key])
  return places.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, key]) => key)
}

function byDigit(keys: readonly string[], depth: number): Map<string, string[]> {
  const parts = new Map<string, string[]>()
  for (const key of keys) {
    const digit = digest.hex(key)[depth] as string
    const part = parts.get(digit)
    if (part === undefined) parts.set(digit, [key])
    else part.push(key)
  }
  return parts
}
