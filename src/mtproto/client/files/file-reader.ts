import type { tl } from '@mtcute/core'
import type { Caller } from '../calls/caller.js'
import { reasonOf } from '../calls/refusal.js'
import type { CdnDataCentres } from './cdn/data-centres.js'
import { CdnFile } from './cdn/file.js'
import { type FileOrigin, locationOf, type MtprotoFile } from './file.js'
import { refreshed } from './origin.js'

/** What is read, and what is known of it. */
export interface ReadSource {
  readonly location: tl.TypeInputFileLocation
  /** Where the location can be fetched anew; of a `file_id`, if it was told. */
  readonly origin?: FileOrigin | undefined
  readonly file?: MtprotoFile
  readonly dc?: number
  readonly size?: number | undefined
}

/** Telegram may send us elsewhere, end a reference, and so on: each time the same part is asked for again, but not for ever. */
const MOST_TRIES = 8

/** Reads a file part by part, wherever Telegram sends us for it. */
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

  /** What lies there: shorter than asked at the end of the file, and empty behind it. */
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
        // Several parts are told at once: the first opens it for all.
        this.#cdn ??= new CdnFile(this.caller, this.centres, answer, dc, signal)
      } catch (error) {
        const reason = reasonOf(error)
        if (reason === undefined || tries >= MOST_TRIES) throw error
        await this.#mend(reason, { source, cdn, error })
      }
    }
  }

  /** Makes the next try another one; rejects where nothing can be done. */
  async #mend(
    reason: string,
    { source, cdn, error }: { source: ReadSource; cdn: CdnFile | undefined; error: unknown },
  ): Promise<void> {
    const migrate = /^FILE_MIGRATE_(\d+)$/.exec(reason)
    if (migrate !== null) {
      this.#dc = Number(migrate[1])
      return
    }
    // "The client must redo upload.getFile": the token of a redirection has ended.
    if (cdn !== undefined && /^(?:FILE_TOKEN|REQUEST_TOKEN)_INVALID$/.test(reason)) {
      if (this.#cdn === cdn) this.#cdn = undefined
      return
    }
    if (!/^FILE_?REF(?:ERENCE)?_/.test(reason) || source.origin === undefined) throw error
    // Somebody else has fetched it meanwhile.
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
