import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { StoredFile } from '../../world/media/files.js'
import type { AccountCall, AccountMethod } from '../call.js'
import type { CdnRedirects } from '../cdn/redirects.js'
import type { DataCentre } from '../data-centre.js'
import { hashesOf } from '../files/hashes.js'
import { rangeOf } from '../files/ranges.js'
import type { Part } from '../files/uploads.js'
import { badRequest, migrate } from '../rpc-error.js'

export const UPLOAD = {
  'upload.saveFilePart': ({ centre, account, request }) =>
    save({ centre, account }, { ...partOf(request), fileId: request.file_id as bigint }),
  'upload.saveBigFilePart': ({ centre, account, request }) =>
    save({ centre, account }, { ...partOf(request), total: request.file_total_parts as number }),
  'upload.getFile': (call) => {
    const file = located(call)
    const { offset, limit } = rangeOf(call.request)
    const redirect = call.request.cdn_supported === true ? call.centre.view.cdn?.redirect(file) : undefined
    if (redirect !== undefined) return redirect
    return {
      _: 'upload.file',
      type: { _: storageTypeOf(file) },
      mtime: file.date,
      bytes: piece(file, offset, limit),
    }
  },
  'upload.getFileHashes': (call) => hashesOf(located(call), Number(call.request.offset as bigint)),
  'upload.getCdnFileHashes': ({ centre, request }) =>
    hashesOf(cdnOf(centre).fileOf(request.file_token as Buffer), Number(request.offset as bigint)),
  'upload.reuploadCdnFile': ({ centre, request }) =>
    cdnOf(centre).reupload(request.file_token as Buffer, request.request_token as Buffer),
} as const satisfies Record<string, AccountMethod>

function save({ centre, account }: Pick<AccountCall, 'centre' | 'account'>, part: Part): boolean {
  centre.view.uploads.save(account.id, part, account.user.is_premium === true)
  return true
}

function cdnOf({ view }: DataCentre): CdnRedirects {
  if (view.cdn === undefined) throw badRequest('CDN_METHOD_INVALID')
  return view.cdn
}

function partOf(request: TlObject): Part {
  return {
    fileId: request.file_id as bigint,
    number: request.file_part as number,
    bytes: request.bytes as Buffer,
  }
}

/** The file of a request, if it is stored in this data centre. */
function located({ centre, account, request }: AccountCall): StoredFile {
  const { locations } = centre.view
  const file = locations.atLocation(account, request.location as TlObject)
  if (locations.home !== undefined && locations.home !== centre.dc) throw migrate('FILE', locations.home)
  return file
}

/** The bytes at an offset; empty beyond the end. */
function piece({ bytes }: StoredFile, offset: number, limit: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).subarray(offset, offset + limit)
}

function storageTypeOf({ type }: StoredFile): string {
  switch (type) {
    case 'image/jpeg':
      return 'storage.fileJpeg'
    case 'image/png':
      return 'storage.filePng'
    case 'image/gif':
      return 'storage.fileGif'
    case 'image/webp':
      return 'storage.fileWebp'
    case 'video/mp4':
      return 'storage.fileMp4'
    case 'audio/mpeg':
      return 'storage.fileMp3'
    case 'application/pdf':
      return 'storage.filePdf'
    default:
      return 'storage.fileUnknown'
  }
}
