import { Audio, Document, Photo, Sticker, type Thumbnail, type tl, Video, Voice } from '@mtcute/core'
import type { Location, Message, PhotoSize } from 'grammy/types'
import { pollOf } from './events.js'

/**
 * Converts media to the Bot API. File ids are encoded like TDLib's, on which Telegram's Bot API server is based, so that
 * `getFile` accepts them.
 */
export function mediaOf(media: tl.TypeMessageMedia): Partial<Message> | undefined {
  switch (media._) {
    case 'messageMediaPhoto': {
      if (media.photo?._ !== 'photo') return undefined
      return {
        photo: sizesOf(media.photo),
        ...(media.spoiler === true && { has_media_spoiler: true as const }),
      }
    }
    case 'messageMediaDocument':
      return media.document?._ === 'document' ? documentOf(media.document, media) : undefined
    case 'messageMediaContact':
      return {
        contact: {
          phone_number: media.phoneNumber,
          first_name: media.firstName,
          ...(media.lastName !== '' && { last_name: media.lastName }),
          ...(media.userId !== 0 && { user_id: media.userId }),
          ...(media.vcard !== '' && { vcard: media.vcard }),
        },
      }
    case 'messageMediaGeo':
      return media.geo._ === 'geoPoint' ? { location: pointOf(media.geo) } : undefined
    case 'messageMediaGeoLive': {
      if (media.geo._ !== 'geoPoint') return undefined
      const { period, heading, proximityNotificationRadius: radius } = media
      return {
        location: {
          ...pointOf(media.geo),
          live_period: period,
          ...(heading !== undefined && { heading }),
          ...(radius !== undefined && { proximity_alert_radius: radius }),
        },
      }
    }
    case 'messageMediaVenue': {
      if (media.geo._ !== 'geoPoint') return undefined
      const location = pointOf(media.geo)
      return { location, venue: { location, title: media.title, address: media.address } }
    }
    case 'messageMediaInvoice':
      return {
        invoice: {
          title: media.title,
          description: media.description,
          start_parameter: media.startParam,
          currency: media.currency,
          total_amount: media.totalAmount.toNumber(),
        },
      }
    case 'messageMediaDice':
      return { dice: { emoji: media.emoticon, value: media.value } }
    case 'messageMediaPoll':
      return { poll: pollOf(media.poll, media.results) }
    default:
      return undefined
  }
}

function pointOf({ lat, long, accuracyRadius: accuracy }: tl.RawGeoPoint): Location {
  return {
    latitude: lat,
    longitude: long,
    ...(accuracy !== undefined && { horizontal_accuracy: accuracy }),
  }
}

/** All sizes of a photo, the largest last. */
export function sizesOf(photo: tl.RawPhoto): PhotoSize[] {
  const { thumbnails } = new Photo(photo)
  return thumbnails.flatMap(sizeOf).sort((a, b) => a.width * a.height - b.width * b.height)
}

/** Empty for inline previews and for animated thumbnails. */
function sizeOf(thumbnail: Thumbnail): PhotoSize[] {
  const { raw, fileId, uniqueFileId, width, height, fileSize } = asSized(thumbnail) ?? {}
  if (raw === undefined || fileId === undefined || uniqueFileId === undefined) return []
  return [
    {
      file_id: fileId,
      file_unique_id: uniqueFileId,
      width: width ?? 0,
      height: height ?? 0,
      ...(fileSize !== undefined && { file_size: fileSize }),
    },
  ]
}

/** The thumbnail, if it is a file of its own: for others mtcute throws when asked for a file id. */
function asSized(thumbnail: Thumbnail): Partial<Thumbnail> | undefined {
  const { _: name } = thumbnail.raw
  return name === 'photoSize' || name === 'photoSizeProgressive' ? thumbnail : undefined
}

function documentOf(document: tl.RawDocument, media: tl.RawMessageMediaDocument): Partial<Message> {
  const find = <N extends tl.TypeDocumentAttribute['_']>(name: N) =>
    document.attributes.find(
      (attribute): attribute is Extract<tl.TypeDocumentAttribute, { _: N }> => attribute._ === name,
    )
  const sticker = find('documentAttributeSticker')
  const video = find('documentAttributeVideo')
  const audio = find('documentAttributeAudio')
  const named = find('documentAttributeFilename')?.fileName
  const spoiler = media.spoiler === true ? { has_media_spoiler: true as const } : {}
  const common = (file: Document | Video | Audio | Voice | Sticker) => ({
    file_id: file.fileId,
    file_unique_id: file.uniqueFileId,
    file_size: document.size,
  })
  const typed = { mime_type: document.mimeType, ...(named !== undefined && { file_name: named }) }
  const [thumbnail] =
    (document.thumbs ?? []).length > 0 ? new Document(document).thumbnails.flatMap(sizeOf) : []
  const shown = thumbnail === undefined ? {} : { thumbnail }
  if (sticker !== undefined) {
    const size = find('documentAttributeImageSize')
    return {
      sticker: {
        ...common(new Sticker(document, sticker, size)),
        type: sticker.mask === true ? 'mask' : 'regular',
        width: size?.w ?? 512,
        height: size?.h ?? 512,
        is_animated: document.mimeType === 'application/x-tgsticker',
        is_video: document.mimeType === 'video/webm',
        ...(sticker.alt !== '' && { emoji: sticker.alt }),
        ...shown,
      },
    }
  }
  if (audio?.voice === true) {
    const voice = common(new Voice(document, audio, media))
    return { voice: { ...voice, duration: audio.duration, mime_type: document.mimeType } }
  }
  if (audio !== undefined) {
    return {
      audio: {
        ...common(new Audio(document, audio)),
        duration: audio.duration,
        ...(audio.performer !== undefined && { performer: audio.performer }),
        ...(audio.title !== undefined && { title: audio.title }),
        ...typed,
        ...shown,
      },
    }
  }
  if (video !== undefined) {
    const file = common(new Video(document, video, media))
    const duration = Math.floor(video.duration)
    if (video.roundMessage === true) return { video_note: { ...file, length: video.w, duration, ...shown } }
    const moving = { ...file, width: video.w, height: video.h, duration, ...typed, ...shown }
    // The Bot API describes an animation also as a document.
    if (find('documentAttributeAnimated') !== undefined)
      return { animation: moving, document: { ...file, ...typed, ...shown }, ...spoiler }
    return { video: moving, ...spoiler }
  }
  return { document: { ...common(new Document(document)), ...typed, ...shown } }
}
