import type { tl } from '@mtcute/core'
import type { SendFileOptions } from './send-options.js'
import type { UploadedFile } from './upload.js'

/** Builds the media to send from an uploaded file. */
export async function inputMediaOf(
  uploaded: UploadedFile,
  options: Pick<SendFileOptions, 'as' | 'type' | 'width' | 'height' | 'duration'>,
): Promise<tl.TypeInputMedia> {
  const { Long } = await import('@mtcute/core')
  const { fileId, parts, name, isBig, md5 = '' } = uploaded
  const id = Long.fromString(fileId)
  const file: tl.TypeInputFile = isBig
    ? { _: 'inputFileBig', id, parts, name }
    : { _: 'inputFile', id, parts, name, md5Checksum: md5 }
  const { as = 'document', type = uploaded.type ?? USUAL[as] } = options
  if (as === 'photo') return { _: 'inputMediaUploadedPhoto', file }
  const { duration = 0, width: w = 0, height: h = 0 } = options
  const attributes: tl.TypeDocumentAttribute[] = [{ _: 'documentAttributeFilename', fileName: name }]
  if (as === 'video' || as === 'animation' || as === 'video_note')
    attributes.push({ _: 'documentAttributeVideo', roundMessage: as === 'video_note', duration, w, h })
  if (as === 'animation') attributes.push({ _: 'documentAttributeAnimated' })
  if (as === 'audio' || as === 'voice')
    attributes.push({ _: 'documentAttributeAudio', voice: as === 'voice', duration })
  return {
    _: 'inputMediaUploadedDocument',
    file,
    mimeType: type,
    attributes,
    forceFile: as === 'document',
  }
}

const USUAL: Readonly<Record<NonNullable<SendFileOptions['as']>, string>> = {
  document: 'application/octet-stream',
  photo: 'image/jpeg',
  video: 'video/mp4',
  animation: 'video/mp4',
  video_note: 'video/mp4',
  audio: 'audio/mpeg',
  voice: 'audio/ogg',
}

/** Builds the media to send from media that Telegram has processed; undefined if there is no photo or document in it. */
export function inputMediaAgain(media: tl.TypeMessageMedia): tl.TypeInputMedia | undefined {
  if (media._ === 'messageMediaPhoto' && media.photo?._ === 'photo') {
    const { id, accessHash, fileReference } = media.photo
    return { _: 'inputMediaPhoto', id: { _: 'inputPhoto', id, accessHash, fileReference } }
  }
  if (media._ === 'messageMediaDocument' && media.document?._ === 'document') {
    const { id, accessHash, fileReference } = media.document
    return { _: 'inputMediaDocument', id: { _: 'inputDocument', id, accessHash, fileReference } }
  }
  return undefined
}
