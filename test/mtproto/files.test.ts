import { createHash, randomBytes } from 'node:crypto'
import type { TlObject, TlValue } from '../../src/mtproto/protocol/tl/object.js'
import type { RawClient } from './raw-client.js'
import { account, alice, face, onStage, rawBot, telegram } from './stage.js'

onStage({ bot: { username: 'files_bot' } })

// Checks of the server; for a correct client see transfers.test.ts.

const PART = 512 * 1024

let raw: RawClient
let peer: TlObject

beforeEach(async () => {
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  raw = await rawBot()
  // From bots, the server accepts an access hash of zero for chats they have met.
  peer = { _: 'inputPeerChannel', channel_id: BigInt(-plaza.id - 1_000_000_000_000), access_hash: 0n }
})

const small = (fileId: bigint, number: number, bytes: Buffer): TlObject => {
  return { _: 'upload.saveFilePart', file_id: fileId, file_part: number, bytes }
}
const big = (fileId: bigint, number: number, total: number, bytes: Buffer): TlObject => {
  return { _: 'upload.saveBigFilePart', file_id: fileId, file_part: number, file_total_parts: total, bytes }
}

function send(file: TlObject): Promise<TlValue> {
  const media = { _: 'inputMediaUploadedDocument', file, mime_type: 'x/y', attributes: [] }
  return raw.call({
    _: 'messages.sendMedia',
    peer,
    media,
    message: '',
    random_id: randomBytes(8).readBigInt64LE(),
  })
}

const refusal = (message: string) => expect.objectContaining({ _: 'mt_rpc_error', error_message: message })

/** Sends a document, and returns it as the server describes it. */
async function sent(bytes: Buffer): Promise<TlObject> {
  await raw.call(small(1n, 0, bytes))
  const answer = (await send({
    _: 'inputFile',
    id: 1n,
    parts: 1,
    name: 'a.bin',
    md5_checksum: '',
  })) as TlObject
  const updates = answer.updates as TlObject[]
  const news = updates.find(({ _: name }) => name === 'updateNewChannelMessage') as TlObject
  return ((news.message as TlObject).media as TlObject).document as TlObject
}

function locationOf({ id, access_hash, file_reference }: TlObject): TlObject {
  const named = {
    id: id as bigint,
    access_hash: access_hash as bigint,
    file_reference: file_reference as Buffer,
  }
  return { _: 'inputDocumentFileLocation', ...named, thumb_size: '' }
}

test.each<[string, TlObject, string]>([
  ['an empty part', small(1n, 0, Buffer.alloc(0)), 'FILE_PART_EMPTY'],
  ['a negative part number', small(1n, -1, Buffer.alloc(1024)), 'FILE_PART_INVALID'],
  ['a part number above the maximum', small(1n, 4000, Buffer.alloc(1024)), 'FILE_PART_INVALID'],
  ['a part of more than 512 KiB', small(1n, 0, Buffer.alloc(PART + 1024)), 'FILE_PART_TOO_BIG'],
  ['a part of an invalid size', big(1n, 0, 2, Buffer.alloc(1025)), 'FILE_PART_SIZE_INVALID'],
  ['no parts at all', big(1n, 0, 0, Buffer.alloc(1024)), 'FILE_PARTS_INVALID'],
  ['too many parts', big(1n, 0, 4001, Buffer.alloc(1024)), 'FILE_PARTS_INVALID'],
  ['a part after the last one', big(1n, 2, 2, Buffer.alloc(1024)), 'FILE_PARTS_INVALID'],
])('%s is refused', async (_, request, message) => {
  expect(await raw.call(request)).toEqual(refusal(message))
})

test('parts of a file must match, and be complete', async () => {
  expect(await raw.call(big(7n, 0, 3, Buffer.alloc(2048, 1)))).toMatchObject({ value: true })
  expect(await raw.call(big(7n, 1, 3, Buffer.alloc(4096)))).toEqual(refusal('FILE_PART_SIZE_CHANGED'))
  expect(await raw.call(big(7n, 1, 4, Buffer.alloc(2048)))).toEqual(refusal('FILE_PARTS_INVALID'))
  expect(await raw.call(small(7n, 1, Buffer.alloc(2048)))).toEqual(refusal('FILE_PART_INVALID'))
  const file = { _: 'inputFileBig', id: 7n, parts: 3, name: 'b.bin' }
  expect(await send(file)).toEqual(refusal('FILE_PART_1_MISSING'))
  await raw.call(big(7n, 2, 3, Buffer.alloc(5, 3)))
  await raw.call(big(7n, 1, 3, Buffer.alloc(2048, 2)))
  expect(await send(file)).toMatchObject({ _: 'updates' })
  expect(await send({ ...file, id: 8n })).toEqual(refusal('FILE_PART_0_MISSING'))
  expect(await send({ ...file, parts: 0 })).toEqual(refusal('FILE_PARTS_INVALID'))
})

test('a message that is sent twice with one random id is stored once', async () => {
  await raw.call(small(1n, 0, Buffer.from('once')))
  const file = { _: 'inputFile', id: 1n, parts: 1, name: 'a.txt', md5_checksum: '' }
  const media = { _: 'inputMediaUploadedDocument', file, mime_type: 'text/plain', attributes: [] }
  const request = { _: 'messages.sendMedia', peer, media, message: '', random_id: 4711n }
  const [one, other] = (await Promise.all([raw.call(request), raw.call(request)])) as TlObject[]
  const idIn = (answer?: TlObject) => ((answer as TlObject).updates as TlObject[])[0]?.id
  expect(idIn(one)).toEqual(expect.any(Number))
  expect(idIn(other)).toBe(idIn(one))
})

test.each<[string, Record<string, TlValue>, string]>([
  ['an offset that is not a multiple of 4096', { offset: 1024n, limit: 4096 }, 'OFFSET_INVALID'],
  ['a negative offset', { offset: -4096n, limit: 4096 }, 'OFFSET_INVALID'],
  ['a limit that is not a multiple of 4096', { offset: 0n, limit: 1024 }, 'LIMIT_INVALID'],
  ['a limit that does not divide a megabyte', { offset: 0n, limit: 4096 * 3 }, 'LIMIT_INVALID'],
  ['a limit of more than a megabyte', { offset: 0n, limit: 2 * 1024 * 1024 }, 'LIMIT_INVALID'],
  ['a range over the edge of a megabyte', { offset: 1024n * 1024n - 4096n, limit: 8192 }, 'LIMIT_INVALID'],
  [
    'a precise offset that is not a multiple of 1024',
    { offset: 4n, limit: 1024, precise: true },
    'OFFSET_INVALID',
  ],
])('%s is refused', async (_, range, message) => {
  const location = locationOf(await sent(Buffer.from('a file')))
  expect(await raw.call({ _: 'upload.getFile', location, ...range } as TlObject)).toEqual(refusal(message))
})

test('a file is served only for its id, hash and reference together, until the reference expires', async () => {
  const bytes = randomBytes(300_000)
  const location = locationOf(await sent(bytes))
  const get = (changed: Record<string, TlValue> = {}) =>
    raw.call({ _: 'upload.getFile', location: { ...location, ...changed }, offset: 0n, limit: PART })
  expect(await get()).toMatchObject({ _: 'upload.file', bytes })
  expect(await get({ id: 1n })).toEqual(refusal('LOCATION_INVALID'))
  expect(await get({ access_hash: 1n })).toEqual(refusal('LOCATION_INVALID'))
  expect(await get({ thumb_size: 'm' })).toEqual(refusal('LOCATION_INVALID'))
  expect(await get({ file_reference: Buffer.alloc(0) })).toEqual(refusal('FILE_REFERENCE_EMPTY'))
  expect(await get({ file_reference: Buffer.alloc(21) })).toEqual(refusal('FILE_REFERENCE_INVALID'))
  face.expireFileReferences()
  expect(await get()).toEqual(refusal('FILE_REFERENCE_EXPIRED'))
})

test('hashes of a file cover 128 KiB each', async () => {
  const bytes = randomBytes(300_000)
  const location = locationOf(await sent(bytes))
  const { value } = (await raw.call({ _: 'upload.getFileHashes', location, offset: 0n })) as {
    value?: TlValue
  }
  const hashes = value as unknown as { offset: bigint; limit: number; hash: Buffer }[]
  expect(hashes.map(({ offset, limit }) => [Number(offset), limit])).toEqual([
    [0, 131_072],
    [131_072, 131_072],
    [262_144, 300_000 - 262_144],
  ])
  const digest = createHash('sha256').update(bytes.subarray(131_072, 262_144)).digest()
  expect(hashes[1]?.hash.equals(digest)).toBe(true)
  // Without a CDN, no client was redirected to one.
  const file_token = Buffer.alloc(8)
  expect(await raw.call({ _: 'upload.getCdnFileHashes', file_token, offset: 0n })).toEqual(
    refusal('CDN_METHOD_INVALID'),
  )
  await face.cdn()
  expect(await raw.call({ _: 'upload.getCdnFileHashes', file_token, offset: 0n })).toEqual(
    refusal('FILE_TOKEN_INVALID'),
  )
})

test('only clients that support CDNs are redirected to one', async () => {
  const location = locationOf(await sent(Buffer.from('a file')))
  await face.cdn()
  const ask = { _: 'upload.getFile', location, offset: 0n, limit: 4096 }
  expect(await raw.call(ask)).toMatchObject({ _: 'upload.file' })
  expect(await raw.call({ ...ask, cdn_supported: true })).toMatchObject({
    _: 'upload.fileCdnRedirect',
    dc_id: 203,
  })
  expect(await raw.call({ _: 'help.getCdnConfig' })).toMatchObject({ public_keys: [{ dc_id: 203 }] })
  await expect(face.cdn()).rejects.toMatchObject({ code: 'telegram.invalid' })
})

test('an album has one group, and uploaded media can be sent by id', async () => {
  for (const id of [1n, 2n]) await raw.call(small(id, 0, Buffer.from(`photo ${id}`)))
  const photo = (id: bigint) => {
    const file = { _: 'inputFile', id, parts: 1, name: 'a.jpg', md5_checksum: '' }
    return { _: 'inputMediaUploadedPhoto', file }
  }
  const uploaded = (await raw.call({ _: 'messages.uploadMedia', peer, media: photo(1n) })) as TlObject
  const { id, access_hash, file_reference } = uploaded.photo as TlObject
  const named = { id, access_hash, file_reference } as Record<string, TlValue>
  const media = { _: 'inputMediaPhoto', id: { _: 'inputPhoto', ...named } }
  const multi_media = [media, photo(2n)].map((each, nth) => {
    return { _: 'inputSingleMedia', media: each, random_id: BigInt(nth + 1), message: `photo ${nth}` }
  })
  const answer = (await raw.call({ _: 'messages.sendMultiMedia', peer, multi_media })) as TlObject
  const messages = (answer.updates as TlObject[]).flatMap(({ message }) =>
    message === undefined ? [] : [message as TlObject],
  )
  expect(messages).toMatchObject([
    { message: 'photo 0', grouped_id: expect.any(BigInt), media: { _: 'messageMediaPhoto' } },
    { message: 'photo 1', grouped_id: messages[0]?.grouped_id, media: { _: 'messageMediaPhoto' } },
  ])
  face.expireFileReferences()
  const anew = multi_media.map((each, nth) => ({ ...each, random_id: BigInt(nth + 3) }))
  expect(await raw.call({ _: 'messages.sendMultiMedia', peer, multi_media: anew })).toEqual(
    refusal('FILE_REFERENCE_EXPIRED'),
  )
})
