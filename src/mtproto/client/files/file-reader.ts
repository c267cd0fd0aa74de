import type { tl } from '@mtcute/core'
import type { Caller } from '../calls/caller.js'
import { reasonOf } from '../calls/refusal.js'
import type { CdnDataCentres } from './cdn/data-centres.js'
import { CdnFile } from './cdn/file.js'
import { type FileOrigin, locationOf, type MtprotoFile } from './file.js'
import { refreshed } from './origin.js'

/** A file to read, with what is known about it. */
interface ReadSource {
  readonly location: tl.TypeInputFileLocation
  /** Where a new file reference can be fetched; for a `file_id` only if the caller passed it. */
  readonly origin?: FileOrigin | undefined
  readonly file?: MtprotoFile
  readonly dc?: number
  readonly size?: number | undefined
}

/** How often one part is requested, because Telegram may redirect to other data centres, expire file references, and so on. */
const MOST_TRIES = 8

/** Reads a file part by part, following redirects. */
export class FileReader {
  #source: ReadSource
  #dc: number | undefined
  #cdn: CdnFile | undefined
  #refreshing: Promise<void> | undefined

  constructor(
    private readonly caller: Caller,
    private readonly centres: CdnDataCentres,
    source: ReadSource,
    private readonly signal: AbortSignal,
  ) {
    this.#source = source
    this.#dc = source.dc
  }

  get size(): number | undefined {
    return this.#source.size
  }

  /** Returns the bytes at an offset: fewer than `limit` at the end of the file, none beyond it. */
  async part(offset: number, limit: number): Promise<Uint8Array> {
    for (let tries = 1; ; tries++) {
      const { signal } = this
      signal.throwIfAborted()
      const [source, cdn, dc] = [this.#source, this.#cdn, this.#dc]
      try {
        if (cdn !== undefined) return await cdn.part(offset, limit)
        const { location } = source
        const answer = await this.caller.call(
          { _: 'upload.getFile', cdnSupported: true, location, offset, limit },
          { kind: 'download', dc, signal },
        )
        if (answer._ === 'upload.file') return answer.bytes
        // Concurrent parts may all be redirected: the first one creates the CDN file for all.
        this.#cdn ??= new CdnFile(this.caller, this.centres, answer, dc, signal)
      } catch (error) {
        const reason = reasonOf(error)
        if (reason === undefined || tries >= MOST_TRIES) throw error
        await this.#mend(reason, { source, cdn, error })
      }
    }
  }

  /** Prepares a retry after a refusal; rejects if nothing can be done. */
  async #mend(
    reason: string,
    { source, cdn, error }: { source: ReadSource; cdn: CdnFile | undefined; error: unknown },
  ): Promise<void> {
    const migrate = /^FILE_MIGRATE_(\d+)$/.exec(reason)
    if (migrate !== null) {
      this.#dc = Number(migrate[1])
      return
    }
    // The redirect's token has expired: "The client must redo upload.getFile".
    if (cdn !== undefined && /^(?:FILE_TOKEN|REQUEST_TOKEN)_INVALID$/.test(reason)) {
      if (this.#cdn === cdn) this.#cdn = undefined
      return
    }
    if (!/^FILE_?REF(?:ERENCE)?_/.test(reason) || source.origin === undefined) throw error
    // A concurrent part has renewed the reference already.
    if (this.#source !== source) return
    this.#refreshing ??= this.#refresh(source, error).finally(() => {
      this.#refreshing = undefined
    })
    await this.#refreshing
  }

  async #refresh(source: ReadSource, error: unknown): Promise<void> {
    const { location, origin } = source
    if (origin === undefined || !('id' in location)) throw error
    const id = location.id.toString()
    const known: Pick<MtprotoFile, 'id' | 'origin'> = source.file ?? { id, origin }
    const file = await refreshed(this.caller, known)
    this.#source = { ...source, file, location: await locationOf(file) }
  }
}
