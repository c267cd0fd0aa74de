import type { Document, PhotoSize, Sticker } from 'grammy/types'
import type { Content } from '../messages/content.js'
import { bytesOf, type FileKind, fileIdOf, type StoredFile, uniqueIdOf } from './files.js'

/** The kinds of files that messages can contain. */
export type MediaKind = Exclude<FileKind, 'chat_photo' | 'photo_small' | 'photo_medium'>

/** Properties of a file as stated by the sender: files are not decoded. */
export interface MediaDetails {
  readonly width?: number | undefined
  readonly height?: number | undefined
  /** In seconds. */
  readonly duration?: number | undefined
  readonly performer?: string | undefined
  readonly title?: string | undefined
  /** Diameter of a video note. */
  readonly length?: number | undefined
  readonly emoji?: string | undefined
  readonly startTimestamp?: number | undefined
  readonly thumbnail?: StoredFile | undefined
  readonly cover?: StoredFile | undefined
  /** For a sticker that belongs to a set. */
  readonly sticker?: Partial<Sticker> | undefined
}

/** The content of a message with this file. */
export function mediaContent(kind: MediaKind, file: StoredFile, details: MediaDetails = {}): Content {
  switch (kind) {
    case 'photo':
      return { photo: photoSizes(file) }
    case 'document':
      return { document: documentOf(kind, file, details) }
    case 'animation':
      // "For backward compatibility, when this field is set, the document field will also be set."
      return {
        animation: { ...documentOf(kind, file, details), ...sized(details), ...lasting(details) },
        document: documentOf(kind, file, details),
      }
    case 'video':
      return {
        video: {
          ...documentOf(kind, file, details),
          ...sized(details),
          ...lasting(details),
          ...(details.cover !== undefined && { cover: photoSizes(details.cover) }),
          ...(details.startTimestamp !== undefined && { start_timestamp: details.startTimestamp }),
        },
      }
    case 'audio':
      return {
        audio: {
          ...documentOf(kind, file, details),
          ...lasting(details),
          ...(details.performer !== undefined && { performer: details.performer }),
          ...(details.title !== undefined && { title: details.title }),
        },
      }
    case 'voice':
      return { voice: { ...bare(kind, file), ...lasting(details), mime_type: file.type } }
    case 'video_note':
      return {
        video_note: {
          ...bare(kind, file),
          ...lasting(details),
          length: details.length || USUAL.length,
          ...thumbnailOf(details),
        },
      }
    default:
      return { sticker: stickerOf(file, details) }
  }
}

/** Dimensions of all photos, and of other media without stated dimensions, because files are not decoded. */
const USUAL = { width: 800, height: 600, length: 384, sticker: 512 }

export function photoSize(file: StoredFile): PhotoSize {
  return { ...bare('photo', file), width: USUAL.width, height: USUAL.height }
}

/** All sizes of a photo, smallest first; the last one is the photo itself. */
export function photoSizes(file: StoredFile): PhotoSize[] {
  return [
    { ...bare('photo_small', file), width: 90, height: 67 },
    { ...bare('photo_medium', file), width: 320, height: 240 },
    photoSize(file),
  ]
}

/** Describes a sticker; its format follows from the file: .TGS is animated, .WEBM is video, others are static. */
export function stickerOf(file: StoredFile, { emoji, sticker = {} }: MediaDetails): Sticker {
  const format = stickerFormatOf(file)
  return {
    ...bare('sticker', file),
    type: 'regular',
    width: USUAL.sticker,
    height: USUAL.sticker,
    is_animated: format === 'animated',
    is_video: format === 'video',
    ...(emoji !== undefined && emoji !== '' && { emoji }),
    ...sticker,
  }
}

export function stickerFormatOf({ name, type }: StoredFile): 'static' | 'animated' | 'video' {
  if (/\.tgs$/i.test(name) || type === 'application/x-tgsticker') return 'animated'
  return /\.webm$/i.test(name) || type === 'video/webm' ? 'video' : 'static'
}

function bare(kind: FileKind, file: StoredFile) {
  return {
    file_id: fileIdOf(file, kind),
    file_unique_id: uniqueIdOf(file, kind),
    file_size: bytesOf(file, kind).length,
  }
}

function documentOf(kind: FileKind, file: StoredFile, details: MediaDetails): Document {
  return { ...bare(kind, file), file_name: file.name, mime_type: file.type, ...thumbnailOf(details) }
}

function sized({ width, height }: MediaDetails) {
  return { width: width || USUAL.width, height: height || USUAL.height }
}

function lasting({ duration }: MediaDetails) {
  return { duration: duration ?? 0 }
}

function thumbnailOf({ thumbnail }: MediaDetails) {
  return thumbnail === undefined ? {} : { thumbnail: photoSize(thumbnail) }
}
