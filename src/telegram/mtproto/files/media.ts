import type { PhotoSize } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import { numberOf, type StoredFile } from '../../world/media/files.js'
import { type MediaDetails, type MediaKind, mediaContent, photoSizes } from '../../world/media/media.js'
import type { Content } from '../../world/messages/content.js'
import type { World } from '../../world/world.js'
import { badRequest } from '../rpc-error.js'
import { filelessMediaOf } from '../views/fileless-media.js'
import type { Locations } from './locations.js'

/** Types of photo sizes, smallest first (https://core.telegram.org/api/files#image-thumbnail-types). */
const PHOTO_SIZES = ['s', 'm', 'x']
const THUMBNAIL_SIZE = 'm'
/** Maximum size of a photo in a message, in bytes ("Sending files"). */
const LARGEST_PHOTO = 10 * 1024 * 1024

interface Shown {
  readonly kind: MediaKind
  readonly details: MediaDetails
  readonly name: string
  readonly type: string
}

/** Converts files of messages between the Bot API and MTProto. */
export class Media {
  /** How documents were described when uploaded; sending one again by id keeps the description. */
  readonly #shown = new WeakMap<StoredFile, Shown>()

  constructor(
    private readonly world: World,
    private readonly locations: Locations,
  ) {}

  /** The media of a message; undefined for a plain text. */
  ofMessage(viewer: Account, message: Content): TlObject | undefined {
    const spoiler = message.has_media_spoiler === true
    const largest = message.photo?.at(-1)
    if (largest !== undefined) {
      const file = this.world.files.find(largest.file_id)
      const photo = file === undefined ? EMPTY_PHOTO : this.photo(viewer, file, message.photo)
      return { _: 'messageMediaPhoto', spoiler, photo }
    }
    const { video_note: round, voice, sticker, video, animation, audio, document } = message
    const shown = round ?? voice ?? sticker ?? video ?? animation ?? audio ?? document
    if (shown === undefined) {
      const isText = message.text !== undefined
      return filelessMediaOf(message) ?? (isText ? undefined : { _: 'messageMediaUnsupported' })
    }
    const file = this.world.files.find(shown.file_id)
    const thumbnail = 'thumbnail' in shown && shown.thumbnail !== undefined ? shown.thumbnail.file_id : ''
    return {
      _: 'messageMediaDocument',
      spoiler,
      video: video !== undefined,
      round: round !== undefined,
      voice: voice !== undefined,
      document:
        file === undefined
          ? { _: 'documentEmpty', id: 0n }
          : this.document(viewer, file, attributesOf(message), {
              thumbnail: this.world.files.find(thumbnail),
              type: 'mime_type' in shown ? shown.mime_type : undefined,
            }),
    }
  }

  photo(viewer: Account, file: StoredFile, sizes: readonly PhotoSize[] = photoSizes(file)): TlObject {
    const names = PHOTO_SIZES.slice(-sizes.length)
    return {
      _: 'photo',
      ...this.#identity(viewer, file),
      sizes: sizes.map(({ width, height, file_size }, nth) => ({
        _: 'photoSize',
        type: names[nth],
        w: width,
        h: height,
        size: file_size ?? file.bytes.length,
      })),
    }
  }

  document(
    viewer: Account,
    file: StoredFile,
    attributes: readonly TlObject[],
    { thumbnail, type }: { readonly thumbnail?: StoredFile | undefined; readonly type?: string | undefined },
  ): TlObject {
    if (thumbnail !== undefined) this.locations.setThumbnail(file, thumbnail)
    return {
      _: 'document',
      ...this.#identity(viewer, file),
      mime_type: type ?? file.type,
      size: BigInt(file.bytes.length),
      ...(thumbnail !== undefined && {
        thumbs: [
          { _: 'photoSize', type: THUMBNAIL_SIZE, w: 320, h: 240, size: thumbnail.bytes.length } as TlObject,
        ],
      }),
      attributes: [...attributes],
    }
  }

  /** Converts an `InputMedia` to the content of a message. `take` assembles an uploaded file. */
  async content(
    viewer: Account,
    media: TlObject,
    take: (input: TlObject) => { readonly bytes: Buffer; readonly name: string },
  ): Promise<Content> {
    const spoiler = media.spoiler === true && { has_media_spoiler: true as const }
    const store = async (input: TlObject, type: string, called?: string) => {
      const { bytes, name: given } = take(input)
      const name = called ?? (given === '' ? 'unnamed' : given)
      // The same bytes are stored once; name and type belong to the message.
      return { ...(await this.world.files.storeLarge(bytes, name, type)), name, type }
    }
    switch (media._) {
      case 'inputMediaUploadedPhoto': {
        const file = await store(media.file as TlObject, 'image/jpeg')
        if (file.bytes.length > LARGEST_PHOTO) throw badRequest('PHOTO_INVALID_DIMENSIONS')
        return { ...mediaContent('photo', file), ...spoiler }
      }
      case 'inputMediaUploadedDocument': {
        const { kind, details, called } = readAttributes(media.attributes as readonly TlObject[])
        const file = await store(media.file as TlObject, media.mime_type as string, called)
        const thumbnail =
          media.thumb === undefined ? undefined : await store(media.thumb as TlObject, 'image/jpeg')
        const shown: Shown = {
          kind: media.force_file === true ? 'document' : kind,
          details: { ...details, thumbnail },
          name: file.name,
          type: file.type,
        }
        const kept = this.world.files.byNumber(numberOf(file))
        if (kept !== undefined) this.#shown.set(kept, shown)
        return { ...mediaContent(shown.kind, file, shown.details), ...spoiler }
      }
      case 'inputMediaPhoto':
        return { ...mediaContent('photo', this.locations.named(viewer, media.id as TlObject)), ...spoiler }
      case 'inputMediaDocument': {
        const file = this.locations.named(viewer, media.id as TlObject)
        const { kind, details, name, type } = this.#shown.get(file) ?? {
          kind: 'document',
          ...file,
          details: {},
        }
        return { ...mediaContent(kind, { ...file, name, type }, details), ...spoiler }
      }
      default:
        throw badRequest('MEDIA_INVALID')
    }
  }

  #identity(viewer: Account, file: StoredFile) {
    return {
      id: numberOf(file),
      access_hash: this.locations.accessHash(viewer, file),
      file_reference: this.locations.reference(viewer, file),
      date: file.date,
      dc_id: this.locations.home ?? 0,
    }
  }
}

const EMPTY_PHOTO: TlObject = { _: 'photoEmpty', id: 0n }

/** Converts a file's description to attributes (https://core.telegram.org/type/DocumentAttribute). */
function attributesOf(message: Content): TlObject[] {
  const { video, video_note: round, animation, audio, voice, sticker, document } = message
  const named = [video, animation, audio, document].find((each) => each?.file_name !== undefined)
  const attributes: TlObject[] = []
  if (named?.file_name !== undefined)
    attributes.push({ _: 'documentAttributeFilename', file_name: named.file_name })
  const moving = video ?? animation
  if (moving !== undefined) {
    const { width: w, height: h, duration } = moving
    attributes.push({ _: 'documentAttributeVideo', duration, w, h })
  }
  if (animation !== undefined) attributes.push({ _: 'documentAttributeAnimated' })
  if (round !== undefined) {
    const { length: w, duration } = round
    attributes.push({ _: 'documentAttributeVideo', round_message: true, duration, w, h: w })
  }
  if (audio !== undefined) {
    const { duration, title, performer } = audio
    attributes.push({
      _: 'documentAttributeAudio',
      duration,
      ...(title !== undefined && { title }),
      ...(performer !== undefined && { performer }),
    })
  }
  if (voice !== undefined)
    attributes.push({ _: 'documentAttributeAudio', voice: true, duration: voice.duration })
  if (sticker !== undefined) {
    const stickerset: TlObject = { _: 'inputStickerSetEmpty' }
    attributes.push({ _: 'documentAttributeSticker', alt: sticker.emoji ?? '', stickerset })
    attributes.push({ _: 'documentAttributeImageSize', w: sticker.width, h: sticker.height })
  }
  return attributes
}

/** Derives the kind and description of a file from its attributes; without any it is a document. */
function readAttributes(attributes: readonly TlObject[]): {
  readonly kind: MediaKind
  readonly details: MediaDetails
  readonly called: string | undefined
} {
  const find = (name: string) => attributes.find((each) => each._ === `documentAttribute${name}`)
  const called = find('Filename')?.file_name as string | undefined
  const sticker = find('Sticker')
  if (sticker !== undefined) return { kind: 'sticker', details: { emoji: sticker.alt as string }, called }
  const video = find('Video')
  if (video !== undefined) {
    const { w, h, duration } = video as unknown as Record<'w' | 'h' | 'duration', number>
    const details = { width: w, height: h, duration: Math.round(duration), length: w }
    if (video.round_message === true) return { kind: 'video_note', details, called }
    return { kind: find('Animated') === undefined ? 'video' : 'animation', details, called }
  }
  if (find('Animated') !== undefined) return { kind: 'animation', details: {}, called }
  const audio = find('Audio')
  if (audio === undefined) return { kind: 'document', details: {}, called }
  const details = {
    duration: audio.duration as number,
    performer: audio.performer as string | undefined,
    title: audio.title as string | undefined,
  }
  return { kind: audio.voice === true ? 'voice' : 'audio', details, called }
}
