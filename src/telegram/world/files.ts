import { createHash } from 'node:crypto'

export interface StoredFile {
  readonly id: string
  readonly uniqueId: string
  readonly name: string
  readonly type: string
  readonly bytes: Uint8Array
}

/** All files together; beyond it the oldest are forgotten. */
const KEPT_BYTES = 256 * 1024 * 1024

/** Files by the hash of their content: the same bytes are the same file. */
export class Files {
  readonly #files = new Map<string, StoredFile>()
  #bytes = 0

  store(bytes: Uint8Array, name: string, type: string): StoredFile {
    const hash = createHash('sha256').update(bytes).digest('base64url')
    const id = `AgACAgIAAxkD${hash}`
    const known = this.#files.get(id)
    if (known !== undefined) return known
    const file: StoredFile = { id, uniqueId: `AQAD${hash.slice(0, 12)}`, name, type, bytes }
    this.#files.set(id, file)
    this.#bytes += bytes.length
    for (const oldest of this.#files.values()) {
      if (this.#bytes <= KEPT_BYTES || oldest === file) break
      this.#files.delete(oldest.id)
      this.#bytes -= oldest.bytes.length
    }
    return file
  }

  find(id: string): StoredFile | undefined {
    return this.#files.get(id)
  }
}
