import type { tl } from '@mtcute/core'

/**
 * The kind of media that a file was sent as.
 *
 * @example
 * ```ts
 * import type { MtprotoFileKind } from 'grammy-sentinel/mtproto'
 *
 * const moving: readonly MtprotoFileKind[] = ['video', 'animation', 'video_note']
 * ```
 */
export type MtprotoFileKind =
  | 'photo'
  | 'document'
  | 'video'
  | 'audio'
  | 'voice'
  | 'animation'
  | 'video_note'
  | 'sticker'

/**
 * Where a file came from. Telegram's file references expire; new ones are fetched from there.
 *
 * @example
 * ```ts
 * import type { FileOrigin } from 'grammy-sentinel/mtproto'
 *
 * const origin: FileOrigin = { chat: -1001234567890, message: 42 }
 * ```
 */
export type FileOrigin =
  | { readonly chat: number | string; readonly message: number }
  /** A profile photo of this user. */
  | { readonly photoOf: number | string }

/**
 * A file of a message or a profile photo: plain data, which can be stored as JSON and downloaded later.
 *
 * @example
 * ```ts
 * import type { MtprotoFile } from 'grammy-sentinel/mtproto'
 *
 * const isLarge = ({ size = 0 }: MtprotoFile) => size > 20 * 1024 * 1024 // more than the Bot API gives
 * ```
 */
export interface MtprotoFile {
  readonly kind: MtprotoFileKind
  /** Telegram's id of the file, in decimal. */
  readonly id: string
  /** In bytes. */
  readonly size?: number
  readonly name?: string
  readonly type?: string
  /** In pixels. */
  readonly width?: number
  readonly height?: number
  /** In seconds. */
  readonly duration?: number
  /** When Telegram first received the file, in milliseconds since 1970. */
  readonly at: number
  readonly origin: FileOrigin
  /** Grants this account access to the file; useless to other accounts. */
  readonly access: {
    readonly hash: string
    /** File reference, in base64. Expires after hours or days, and is then renewed. */
    readonly reference: string
    readonly dc: number
    /** For a photo: the type of its size; otherwise empty. */
    readonly shape: string
  }
}

/** Returns the file in a message's media, if there is one. */
export function fileOfMedia(
  media: tl.TypeMessageMedia | undefined,
  origin: FileOrigin,
): MtprotoFile | undefined {
  if (media?._ === 'messageMediaPhoto') return media.photo && fileOfPhoto(media.photo, origin)
  if (media?._ !== 'messageMediaDocument' || media.document?._ !== 'document') return undefined
  return fileOfDocument(media.document, origin)
}

/** Returns the largest size of a photo. */
export function fileOfPhoto(photo: tl.TypePhoto, origin: FileOrigin): MtprotoFile | undefined {
  if (photo._ !== 'photo') return undefined
  let largest: { type: string; size: number; w: number; h: number } | undefined
  for (const each of photo.sizes) {
    if (each._ !== 'photoSize' && each._ !== 'photoSizeProgressive') continue
    const size = each._ === 'photoSize' ? each.size : Math.max(...each.sizes)
    if (largest === undefined || size >= largest.size)
      largest = { type: each.type, size, w: each.w, h: each.h }
  }
  if (largest === undefined) return undefined
  return {
    kind: 'photo',
    id: photo.id.toString(),
    size: largest.size,
    width: largest.w,
    height: largest.h,
    at: photo.date * 1000,
    origin,
    access: accessOf(photo, largest.type),
  }
}

function fileOfDocument(document: tl.RawDocument, origin: FileOrigin): MtprotoFile {
  let kind: MtprotoFileKind = 'document'
  const about: { name?: string; width?: number; height?: number; duration?: number } = {}
  for (const attribute of document.attributes) {
    switch (attribute._) {
      case 'documentAttributeFilename':
        about.name = attribute.fileName
        break
      case 'documentAttributeVideo':
        if (kind === 'document') kind = attribute.roundMessage === true ? 'video_note' : 'video'
        about.width = attribute.w
        about.height = attribute.h
        about.duration = attribute.duration
        break
      case 'documentAttributeAudio':
        kind = attribute.voice === true ? 'voice' : 'audio'
        about.duration = attribute.duration
        break
      case 'documentAttributeAnimated':
        kind = 'animation'
        break
      case 'documentAttributeSticker':
        kind = 'sticker'
        break
      case 'documentAttributeImageSize':
        about.width = attribute.w
        about.height = attribute.h
        break
    }
  }
  return {
    kind,
    id: document.id.toString(),
    size: document.size,
    ...about,
    type: document.mimeType,
    at: document.date * 1000,
    origin,
    access: accessOf(document, ''),
  }
}

function accessOf(
  { accessHash, fileReference, dcId }: tl.RawPhoto | tl.RawDocument,
  shape: string,
): MtprotoFile['access'] {
  const reference = Buffer.from(fileReference).toString('base64')
  return { hash: accessHash.toString(), reference, dc: dcId, shape }
}

/** Returns the location for `upload.getFile`. */
export async function locationOf({ kind, id, access }: MtprotoFile): Promise<tl.TypeInputFileLocation> {
  const { Long } = await import('@mtcute/core')
  return {
    _: kind === 'photo' ? 'inputPhotoFileLocation' : 'inputDocumentFileLocation',
    id: Long.fromString(id),
    accessHash: Long.fromString(access.hash),
    fileReference: Buffer.from(access.reference, 'base64'),
    thumbSize: access.shape,
  }
}
