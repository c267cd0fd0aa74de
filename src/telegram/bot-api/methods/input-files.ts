import { typeOf } from '../../world/media/file-types.js'
import { calledOf, type FileKind, isPicture, kindOf, type StoredFile } from '../../world/media/files.js'
import { badRequest } from '../../world/refusal.js'
import type { Call } from '../call.js'
import type { Upload } from '../multipart.js'

/** Largest upload of each kind, in bytes: 10 MB for photos, 50 MB for other files ("Sending files"). */
const LARGEST_PHOTO = 10 * 1024 * 1024
const LARGEST = 50 * 1024 * 1024

/** The file of a parameter: uploaded under the parameter's name, or named by its value. */
export function fileOf(call: Call, name: string, kind: FileKind): StoredFile | undefined {
  const upload = call.params.upload(name)
  return upload === undefined ? fileNamed(call, call.params.text(name), kind) : keep(call, upload, kind)
}

/** The file of a value: a file id, an upload in the same request (`attach://part`) or a URL; undefined if there is none. */
export function fileNamed(call: Call, given: string | undefined, kind: FileKind): StoredFile | undefined {
  if (given === undefined || given === '') return undefined
  if (given.startsWith('attach://')) {
    const upload = call.params.upload(given.slice('attach://'.length))
    return upload === undefined ? undefined : keep(call, upload, kind)
  }
  if (/^https?:\/\//i.test(given)) return standIn(call, given)
  const file = call.world.files.find(given)
  const sentAs = kindOf(given)
  if (file === undefined || sentAs === undefined) throw badRequest('wrong file identifier/HTTP URL specified')
  if (isPicture(sentAs) !== isPicture(kind))
    throw badRequest(`can't use file of type ${calledOf(sentAs)} as ${calledOf(kind)}`)
  return file
}

/**
 * Creates a file for a URL. The embedded Telegram never uses the network, so the file contains the URL; the same URL gives the
 * same file.
 */
function standIn({ world }: Call, address: string): StoredFile {
  if (!URL.canParse(address)) throw badRequest('wrong HTTP URL specified')
  const { hostname, pathname } = new URL(address)
  if (!/\.[a-z]|^localhost$|^[\d.]+$|^\[/i.test(hostname)) throw badRequest('wrong HTTP URL specified')
  const name = pathname.split('/').at(-1) || 'file'
  return world.files.store(Buffer.from(address), name, typeOf(name) ?? 'application/octet-stream')
}

/** A required file. */
export function neededFile(call: Call, name: string, kind: FileKind): StoredFile {
  const file = fileOf(call, name, kind)
  if (file === undefined) throw badRequest(`there is no ${name.replaceAll('_', ' ')} in the request`)
  return file
}

/** A required upload: photos of chats and bots cannot be given by file id. */
export function uploadedPhoto(call: Call, name: string): StoredFile {
  const upload = call.params.upload(name)
  if (upload !== undefined) return keep(call, upload, 'chat_photo')
  const given = call.params.text(name)
  if (given?.startsWith('attach://') === true) {
    const file = fileNamed(call, given, 'chat_photo')
    if (file !== undefined) return file
  }
  throw badRequest(
    call.params.has(name) ? 'photo must be uploaded as an InputFile' : 'there is no photo in the request',
  )
}

function keep({ world }: Call, upload: Upload, kind: FileKind): StoredFile {
  const { bytes, name, type } = upload
  if (bytes.length === 0) throw badRequest('file must be non-empty')
  if (kind === 'photo' && bytes.length > LARGEST_PHOTO)
    throw badRequest(
      `file of size ${bytes.length} bytes is too big for a photo; the maximum size is 10485760 bytes`,
    )
  if (bytes.length > LARGEST) throw badRequest('file is too big')
  return world.files.store(bytes, name, typeOf(name) ?? type)
}
