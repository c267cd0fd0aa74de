import { Digest } from '../../core/digest.js'
import type { Documents } from './documents.js'

/** Maximum number of keys in one document before it is split. */
const MOST_KEYS = 512
/** Maximum depth of the tree, in hexadecimal digits of the digest. Reaching it would take 2^41 keys. */
const DEEPEST = 8
const DIGITS = '0123456789abcdef'
const PAGE = 1000
const MOST_REMEMBERED = 10_000

/** Must be the same in every process and version, since it determines where a key is stored. */
const digest = Digest.keyed('grammy-sentinel index')

interface Leaf {
  /** Sorted by place. */
  readonly keys: readonly string[]
}
type Node = Leaf | 'split'

/** The indexes of one storage. */
export class Indexes {
  /** Documents known to be split. Splits are never undone, so these need not be read again. */
  private readonly split = new Set<string>()

  constructor(private readonly documents: Documents) {}

  named(name: string): IndexTree {
    return new IndexTree(this.documents, name, this.split)
  }
}

/** A page of an index, and the cursor of the next page. */
interface IndexPage {
  readonly keys: readonly string[]
  readonly next?: string
}

/**
 * A set of keys in documents that can only be read and written by name. It is a tree by the digits of each key's digest; a leaf
 * holds at most 512 keys and is split into sixteen when it is full. Finding, adding and removing a key take a few reads and one
 * write, whatever the size. Writers must hold the turn of the whole index. Two processes that write the same leaf at once may
 * lose keys of one of them; adding these again repairs the index.
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

  /**
   * Returns a page of keys. `from` is the place of the first key of the page, so removals between two pages cause no key to be
   * skipped.
   */
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
    // Write the leaves first, so that nothing is lost if the process ends in between.
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

/** Returns the position of a key in the order of the index. */
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
