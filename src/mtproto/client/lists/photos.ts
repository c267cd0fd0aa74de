import type { Caller } from '../calls/caller.js'
import { fileOfPhoto, type MtprotoFile } from '../files/file.js'

/**
 * Options of listing profile photos.
 *
 * @example
 * ```ts
 * import type { PhotosOptions } from 'grammy-sentinel/mtproto'
 *
 * const options: PhotosOptions = { onProgress: ({ seen, total }) => console.log(`${seen} of ${total}`) }
 * ```
 */
export interface PhotosOptions {
  /** Called after each page. */
  readonly onProgress?: (progress: { readonly seen: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/** Page size; Telegram's maximum. */
const PAGE = 100

/** Yields a user's profile photos, latest first. Also available to bots. */
export async function* photosOf(
  caller: Caller,
  who: number | string,
  { onProgress, signal }: PhotosOptions = {},
): AsyncGenerator<MtprotoFile, void, undefined> {
  const { Long } = await import('@mtcute/core')
  const userId = await caller.user(who)
  for (let seen = 0; ; ) {
    signal?.throwIfAborted()
    const page = await caller.call(
      { _: 'photos.getUserPhotos', userId, offset: seen, maxId: Long.ZERO, limit: PAGE },
      { signal },
    )
    seen += page.photos.length
    const total = page._ === 'photos.photosSlice' ? page.count : seen
    onProgress?.({ seen, total })
    for (const photo of page.photos) {
      const file = fileOfPhoto(photo, { photoOf: who })
      if (file !== undefined) yield file
    }
    if (page.photos.length === 0 || seen >= total) return
  }
}
