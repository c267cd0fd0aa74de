import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { Api, InputFile } from 'grammy'
import { Traffic } from '../../src/mtproto/client/calls/traffic.js'
import { CdnClient } from '../../src/mtproto/client/files/cdn/client.js'
import { agreeOnKey } from '../../src/mtproto/client/files/cdn/key-agreement.js'
import { locationOf } from '../../src/mtproto/client/files/file.js'
import { upload } from '../../src/mtproto/client/files/upload.js'
import type { DownloadOptions, MtprotoClient, MtprotoFile, UploadProgress } from '../../src/mtproto/index.js'
import { until } from '../servers/until.js'
import { fileIdOf } from './file-ids.js'
import { account, alice, client, face, onStage, person, telegram } from './stage.js'

onStage({ bot: { username: 'files_bot' }, others: [4] })

const MEGABYTE = 1024 * 1024
const PART = 512 * 1024

beforeEach(async () => {
  telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
})

async function all(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Bytes are compared by digests, because a difference of megabytes is unreadable. */
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Checks by hashes that Telegram has these bytes, which is faster than downloading them. */
async function expectKept(bot: MtprotoClient, file: MtprotoFile, bytes: Uint8Array): Promise<void> {
  expect(file.size).toBe(bytes.length)
  const [raw, location] = [await bot.raw(), await locationOf(file)]
  for (let offset = 0; offset < bytes.length; ) {
    const hashes = await raw.call({ _: 'upload.getFileHashes', location, offset })
    expect(hashes.length).toBeGreaterThan(0)
    for (const { hash, limit } of hashes) {
      const piece = bytes.subarray(offset, offset + limit)
      expect(Buffer.from(hash).toString('hex')).toBe(digest(piece))
      offset += limit
    }
  }
}

/** Yields pieces whose size matches no part. */
async function* streamed(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001)
}

const partsSent = () => face.calls('upload.saveBigFilePart') + face.calls('upload.saveFilePart')

describe('upload', () => {
  test.each([
    ['bytes', (bytes: Buffer) => bytes],
    ['a blob', (bytes: Buffer) => new Blob([bytes])],
    ['a stream of unknown size', (bytes: Buffer) => streamed(bytes)],
    ['a ReadableStream', (bytes: Buffer) => new Blob([bytes]).stream()],
  ])('accepts %s, with sizes around the limits of parts', async (_, sourceOf) => {
    const bot = client()
    for (const size of [1, PART - 1, PART, PART + 1, 2 * PART]) {
      const bytes = randomBytes(size)
      const { file } = await bot.sendFile('plaza', sourceOf(bytes), { name: `${size}.bin` })
      expect(file).toMatchObject({ kind: 'document', size, name: `${size}.bin` })
      expect(digest(await all(bot.download(file)))).toBe(digest(bytes))
    }
  })

  test('sends 20 MB in parts of 512 KiB, and reports progress', async () => {
    const bot = client()
    const bytes = randomBytes(20 * MEGABYTE + 12_345)
    const told: UploadProgress[] = []
    const file = await bot.upload(bytes, {
      name: 'large.bin',
      parallel: 3,
      onProgress: (each) => told.push(each),
    })
    expect(file).toMatchObject({ parts: 41, size: bytes.length, isBig: true, name: 'large.bin' })
    expect(told).toHaveLength(41)
    expect(told.at(-1)).toMatchObject({ sent: bytes.length, total: bytes.length })
    const { id } = await bot.sendFile('plaza', file)
    expect(digest(await all(bot.download({ chat: 'plaza', message: id })))).toBe(digest(bytes))
  })

  test('reads a source only a few parts ahead', async () => {
    const bot = client()
    let [read, acknowledged, most] = [0, 0, 0]
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < 30; n++) {
        read++
        most = Math.max(most, read - acknowledged)
        yield randomBytes(PART)
      }
    }
    await bot.upload(source(), { size: 30 * PART, parallel: 4, onProgress: () => acknowledged++ })
    // Four parts in flight, one that may be the last, one that is being filled.
    expect(most).toBeLessThanOrEqual(4 + 3)
    expect(read).toBe(30)
  })

  test('continues after lost connections, without sending acknowledged parts again', async () => {
    const bot = client()
    const bytes = randomBytes(12 * MEGABYTE)
    let cut = false
    const file = await bot.upload(bytes, {
      onProgress: ({ sent }) => {
        if (sent < 5 * MEGABYTE || cut) return
        cut = true
        face.cut()
      },
    })
    expect(cut).toBe(true)
    // Parts in flight when a connection broke are sent again.
    expect(partsSent()).toBeLessThanOrEqual(24 + 8)
    const { file: sent } = await bot.sendFile('plaza', file)
    await expectKept(bot, sent, bytes)
  })

  test.each(['bytes', 'stream'])('can be continued in another process with a token (%s)', async (kind) => {
    const bytes = randomBytes(11 * MEGABYTE + 1)
    const source = () => (kind === 'bytes' ? bytes : streamed(bytes))
    const first = client()
    const dying = new AbortController()
    let token = ''
    let before = 0
    const begun = first.upload(source(), {
      signal: dying.signal,
      onProgress: (told) => {
        token = told.token
        if (told.sent >= 5 * MEGABYTE) dying.abort(new Error('killed'))
      },
    })
    await expect(begun).rejects.toThrow('killed')
    await first.close()
    before = partsSent()
    expect(before).toBeLessThan(20)

    const second = client()
    let firstTold: UploadProgress | undefined
    const file = await second.upload(source(), {
      resume: token,
      onProgress: (told) => {
        firstTold ??= told
      },
    })
    expect(firstTold?.sent).toBeLessThanOrEqual(PART)
    // The ten acknowledged parts are not sent again; parts in flight may have arrived.
    expect(partsSent() - before).toBeLessThan(23 - 2)
    const { file: sent } = await second.sendFile('plaza', file)
    await expectKept(second, sent, bytes)

    await expect(second.upload(randomBytes(bytes.length), { resume: token })).rejects.toMatchObject({
      code: 'mtproto.transfer',
    })
  })

  test('is refused for another file of the same length and beginning, and can still be continued with the right one', async () => {
    const bytes = randomBytes(11 * MEGABYTE)
    const bot = client()
    const dying = new AbortController()
    let token = ''
    const begun = bot.upload(bytes, {
      signal: dying.signal,
      onProgress: (told) => {
        token = told.token
        if (told.sent >= 6 * MEGABYTE) dying.abort(new Error('killed'))
      },
    })
    await expect(begun).rejects.toThrow('killed')
    const other = Buffer.from(bytes)
    // Changes a byte of the third part.
    other[2 * PART + 5] = (other[2 * PART + 5] as number) ^ 1
    const tokens = new Set<string>()
    const onProgress = (told: UploadProgress) => tokens.add(told.token)
    for (const source of [other, streamed(other.subarray(0, 3 * MEGABYTE))]) {
      const size = bytes.length
      await expect(bot.upload(source, { size, resume: token, onProgress })).rejects.toMatchObject({
        code: 'mtproto.transfer',
      })
    }
    expect([...tokens]).toEqual([token])
    const { file } = await bot.sendFile('plaza', await bot.upload(bytes, { resume: token }))
    await expectKept(bot, file, bytes)
  })

  test('waits for a slow part before it sends many more, so that a token covers all parts sent', async () => {
    const calls: number[] = []
    const slow = new AbortController()
    const caller = {
      call: ({ filePart }: { readonly filePart: number }, { signal }: { readonly signal: AbortSignal }) => {
        calls.push(filePart)
        if (filePart > 0) return Promise.resolve(true)
        return new Promise((_, failed) => signal.addEventListener('abort', () => failed(signal.reason)))
      },
    }
    let token = ''
    const source = new Uint8Array(100 * PART)
    const progress = { onProgress: (told: UploadProgress) => (token = told.token), signal: slow.signal }
    const begun = upload(caller as never, source, progress)
    begun.catch(() => undefined)
    await until('no more parts go out', () => calls.length === 65)
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done))
    slow.abort(new Error('killed'))
    await expect(begun).rejects.toThrow('killed')
    expect(calls).toHaveLength(65)
    calls.length = 0
    const taking = { call: async ({ filePart }: { readonly filePart: number }) => calls.push(filePart) > 0 }
    expect(await upload(taking as never, source, { resume: token })).toMatchObject({ parts: 100 })
    expect(calls).toEqual([0, ...Array.from({ length: 35 }, (_, n) => 65 + n)])
  })

  test('refuses invalid sources and options with a remedy', async () => {
    const bot = client()
    const wrong: [() => Promise<unknown>, RegExp][] = [
      [() => bot.upload(new Uint8Array()), /empty/],
      [() => bot.upload(streamed(Buffer.alloc(0))), /empty/],
      [() => bot.upload('a path' as never), /not a source/],
      [() => bot.upload(['text'] as never), /not a source/],
      [() => bot.upload(new Blob(['text']).stream().pipeThrough(new TextDecoderStream()) as never), /bytes/],
      [() => bot.upload(streamed(randomBytes(99)), { size: 98 }), /differs from the given size/],
      [() => bot.upload(streamed(randomBytes(99)), { size: 100 }), /differs from the given size/],
      [() => bot.upload(randomBytes(9), { parallel: 0 }), /parallel/],
      [() => bot.upload(randomBytes(9), { resume: 'token' }), /not a token/],
      [() => bot.upload(streamed(randomBytes(9)), { size: 5 * 1024 ** 3 }), /4 GB/],
    ]
    for (const [uploading, complaint] of wrong) {
      const message = expect.stringMatching(complaint)
      await expect(uploading()).rejects.toEqual(
        expect.objectContaining({ code: 'mtproto.transfer', message }),
      )
    }
  })

  test('ends by its signal, or by an error of Telegram, while the source is silent', async () => {
    const bot = client()
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield randomBytes(2 * PART)
      await new Promise(() => undefined)
    }
    const stopping = new AbortController()
    const stop = () => stopping.abort(new Error('enough'))
    const stopped = bot.upload(silent(), { signal: stopping.signal, onProgress: stop })
    await expect(stopped).rejects.toThrow('enough')
    face.fail('upload.saveBigFilePart', 400, 'FILE_PARTS_INVALID')
    await expect(bot.upload(silent())).rejects.toMatchObject({ reason: 'FILE_PARTS_INVALID' })
  })

  test('ends with an error of Telegram or of the source', async () => {
    const bot = client()
    face.fail('upload.saveBigFilePart', 400, 'FILE_PARTS_INVALID')
    await expect(bot.upload(randomBytes(12 * MEGABYTE))).rejects.toMatchObject({
      reason: 'FILE_PARTS_INVALID',
    })
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield randomBytes(PART)
      throw new Error('the disk is gone')
    }
    await expect(bot.upload(breaking())).rejects.toThrow('the disk is gone')
    // Small files have a checksum, which Telegram checks.
    const { md5 = '', ...file } = await bot.upload(randomBytes(1000))
    expect(md5).toMatch(/^[0-9a-f]{32}$/)
    await expect(bot.sendFile('plaza', { ...file, md5: '0'.repeat(32) })).rejects.toMatchObject({
      reason: 'MD5_CHECKSUM_INVALID',
    })
    await expect(bot.sendFile('plaza', { ...file, parts: 2 })).rejects.toMatchObject({
      reason: 'FILE_PART_1_MISSING',
    })
  })
})

describe('download', () => {
  /** Sends a file to the group, and returns its bytes, its description and the id of its message. */
  async function given(bot: MtprotoClient, size: number) {
    const bytes = randomBytes(size)
    return { bytes, ...(await bot.sendFile('plaza', bytes, { name: 'given.bin' })) }
  }

  test('begins and ends at any byte, in order, and reports progress', async () => {
    const bot = client()
    const { file, bytes } = await given(bot, 5 * MEGABYTE + 77)
    const ranges: DownloadOptions[] = [
      { offset: 1 },
      { offset: PART - 1, limit: 2 },
      { offset: 3 * MEGABYTE + 5, limit: MEGABYTE + 1, parallel: 1 },
      { offset: bytes.length - 1 },
      { offset: bytes.length },
      { offset: bytes.length + PART * 3 },
      { limit: 0 },
    ]
    for (const options of ranges) {
      const { offset = 0, limit = bytes.length } = options
      const told: number[] = []
      const got = await all(
        bot.download(file, { ...options, onProgress: ({ received }) => told.push(received) }),
      )
      expect(digest(got)).toBe(digest(bytes.subarray(offset, offset + limit)))
      expect(told.at(-1) ?? 0).toBe(got.length)
    }
  })

  test('continues after lost connections', async () => {
    const bot = client()
    const { file, bytes } = await given(bot, 8 * MEGABYTE)
    const pieces: Uint8Array[] = []
    for await (const piece of bot.download(file)) {
      pieces.push(piece)
      if (pieces.length === 6) face.cut()
    }
    expect(digest(Buffer.concat(pieces))).toBe(digest(bytes))
    expect(face.calls('upload.getFile')).toBeLessThanOrEqual(16 + 8)
  })

  test('fetches only a few parts ahead, and stops when the loop is left', async () => {
    const bot = client()
    const { file } = await given(bot, 8 * MEGABYTE)
    for await (const piece of bot.download(file, { parallel: 2 })) {
      expect(piece).toHaveLength(PART)
      break
    }
    const asked = face.calls('upload.getFile')
    expect(asked).toBeLessThan(8)
    const stopping = new AbortController()
    const reading = bot.download(file, { signal: stopping.signal })
    await reading.next()
    stopping.abort(new Error('enough'))
    await expect(reading.next()).rejects.toThrow('enough')
    await bot.connect()
    expect(face.calls('upload.getFile')).toBeLessThan(asked + 12)
  })

  test('renews an expired file reference, before and during the download', async () => {
    const bot = client()
    const { file, bytes } = await given(bot, 8 * MEGABYTE)
    face.expireFileReferences()
    const reading = bot.download(file, { parallel: 4 })
    const pieces: Uint8Array[] = []
    for await (const piece of reading) {
      pieces.push(piece)
      if (pieces.length === 5) face.expireFileReferences()
    }
    expect(digest(Buffer.concat(pieces))).toBe(digest(bytes))
    // One look-up before and one during the download, plus few for parts in flight.
    expect(face.calls('channels.getMessages')).toBeLessThanOrEqual(4)
  })

  test('rejects if the message of an expired reference is gone, or the file is unknown', async () => {
    const bot = client()
    const { file, id } = await given(bot, 1000)
    await new Api(account.token, account.config.client).deleteMessage('@plaza', id)
    expect((await all(bot.download(file))).length).toBe(1000)
    face.expireFileReferences()
    await expect(all(bot.download(file))).rejects.toMatchObject({ code: 'mtproto.transfer' })
    await expect(all(bot.download({ chat: 'plaza', message: 4711 }))).rejects.toMatchObject({
      code: 'mtproto.transfer',
    })
    await expect(all(bot.download('no file_id'))).rejects.toMatchObject({ code: 'mtproto.transfer' })
  })

  test('waits as long as Telegram demands, and continues', async () => {
    const waits: string[] = []
    const bot = client({ onWait: ({ method }) => waits.push(method) })
    const { file, bytes } = await given(bot, 2 * MEGABYTE)
    face.fail('upload.getFile', 420, 'FLOOD_WAIT_1')
    expect(digest(await all(bot.download(file)))).toBe(digest(bytes))
    expect(new Set(waits)).toEqual(new Set(['upload.getFile']))
  })

  test('follows a file to another data centre', async () => {
    const bot = client()
    const { file, bytes } = await given(bot, 3 * MEGABYTE)
    face.moveFiles(4)
    expect(digest(await all(bot.download(file)))).toBe(digest(bytes))
    expect(face.calls('auth.importAuthorization')).toBeGreaterThan(0)
    expect(bot.counts().errors).toMatchObject({ FILE_MIGRATE: expect.any(Number) })
  })

  test('accepts a file_id of the Bot API, and renews its reference if the message is given', async () => {
    const bot = client()
    const { file, bytes, id } = await given(bot, 300_000)
    const fileId = fileIdOf(file)
    expect(digest(await all(bot.download(fileId)))).toBe(digest(bytes))
    face.expireFileReferences()
    await expect(all(bot.download(fileId))).rejects.toMatchObject({ reason: 'FILE_REFERENCE_EXPIRED' })
    const origin = { chat: 'plaza', message: id }
    expect(digest(await all(bot.download(fileId, { origin })))).toBe(digest(bytes))
  })
})

describe('CDN', () => {
  async function sent(bot: MtprotoClient, size: number) {
    const bytes = randomBytes(size)
    return { bytes, file: (await bot.sendFile('plaza', bytes, { name: 'popular.bin' })).file }
  }

  test("parts are fetched, decrypted and compared with Telegram's hashes", async () => {
    const bot = client()
    const { file, bytes } = await sent(bot, 6 * MEGABYTE + 5)
    const cdn = await face.cdn()
    expect(digest(await all(bot.download(file)))).toBe(digest(bytes))
    // The CDN is empty at first, so parts are uploaded to it; afterwards it has them.
    const { parts, reuploads } = cdn.counts
    expect(parts).toBeGreaterThanOrEqual(13)
    expect(reuploads).toBeGreaterThanOrEqual(7)
    expect(digest(await all(bot.download(file, { offset: 2 * MEGABYTE + 3, limit: 999_999 })))).toBe(
      digest(bytes.subarray(2 * MEGABYTE + 3, 2 * MEGABYTE + 3 + 999_999)),
    )
    expect(cdn.counts.reuploads).toBe(reuploads)
  })

  test('a wrong byte is detected, and all bytes before it are correct', async () => {
    const bot = client()
    const { file, bytes } = await sent(bot, 4 * MEGABYTE)
    const cdn = await face.cdn()
    cdn.corrupt(2 * MEGABYTE + 200_000)
    const pieces: Uint8Array[] = []
    const reading = async () => {
      for await (const piece of bot.download(file)) pieces.push(piece)
    }
    await expect(reading()).rejects.toMatchObject({ code: 'mtproto.corrupted' })
    const got = Buffer.concat(pieces)
    expect(got.length).toBe(2 * MEGABYTE)
    expect(digest(got)).toBe(digest(bytes.subarray(0, got.length)))
    const rest = await all(bot.download(file, { offset: got.length }))
    expect(digest(Buffer.concat([got, rest]))).toBe(digest(bytes))
  })

  test('a truncated file is detected, even if its size is unknown', async () => {
    const bot = client()
    const { file, bytes } = await sent(bot, 2 * MEGABYTE)
    const cdn = await face.cdn()
    cdn.shorten(MEGABYTE)
    await expect(all(bot.download(fileIdOf(file)))).rejects.toMatchObject({ code: 'mtproto.corrupted' })
    expect(digest(await all(bot.download(fileIdOf(file))))).toBe(digest(bytes))
  })

  test('a connection with another key or data centre is refused', async () => {
    const { port, dc, publicKey } = face.address
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
    const wrong = other.export({ type: 'pkcs1', format: 'pem' }).toString()
    const at = { host: '127.0.0.1', port, dc }
    await expect(agreeOnKey({ ...at, publicKey: wrong })).rejects.toThrow('another key')
    expect(await agreeOnKey({ ...at, publicKey })).toHaveLength(256)
    await expect(agreeOnKey({ ...at, dc: 5, publicKey })).rejects.toThrow('-444')
  })

  test('a call after close() rejects, and the connection does not count as lost', async () => {
    const { port, dc, publicKey } = face.address
    const { signal } = new AbortController()
    const at = { host: '127.0.0.1', port, dc, publicKey }
    let isLost = false
    const cdn = await CdnClient.open({ apiId: 1, traffic: new Traffic() }, at, () => (isLost = true), signal)
    await cdn.close()
    const request = { _: 'upload.getCdnFile', fileToken: new Uint8Array(), offset: 0, limit: 1024 } as const
    await expect(cdn.call(request, signal)).rejects.toMatchObject({ code: 'mtproto.session' })
    expect(isLost).toBe(false)
  })

  test('a download continues when the CDN loses its content, its tokens, its keys and its connections', async () => {
    const bot = client()
    const { file, bytes } = await sent(bot, 8 * MEGABYTE)
    const cdn = await face.cdn()
    const pieces: Uint8Array[] = []
    for await (const piece of bot.download(file, { parallel: 2 })) {
      pieces.push(piece)
      if (pieces.length === 3) cdn.drop()
      if (pieces.length === 6) cdn.endTokens()
      if (pieces.length === 9) cdn.cut()
      if (pieces.length === 12) {
        cdn.forgetKeys()
        cdn.cut()
      }
    }
    expect(digest(Buffer.concat(pieces))).toBe(digest(bytes))
    expect(cdn.counts.redirects).toBeGreaterThan(1)
  })
})

describe('a file is the same by both interfaces', () => {
  test('a bot receives a file of a person by the Bot API, and downloads it over HTTP', async () => {
    const sender = await person()
    const bytes = randomBytes(3 * MEGABYTE)
    const { id, file } = await sender.sendFile('plaza', bytes, {
      name: 'report.pdf',
      type: 'application/pdf',
    })
    const api = new Api(account.token, account.config.client)
    const [update] = await api.getUpdates({ timeout: 5 })
    expect(update?.message).toMatchObject({
      message_id: id,
      document: { file_name: 'report.pdf', mime_type: 'application/pdf', file_size: bytes.length },
    })
    const { file_path: path } = await api.getFile(update?.message?.document?.file_id ?? '')
    const answer = await fetch(`${telegram.apiRoot}/file/bot${account.token}/${path}`)
    expect(digest(new Uint8Array(await answer.arrayBuffer()))).toBe(digest(bytes))
    expect(file.kind).toBe('document')
  })

  test('files can also be sent in private chats, in both directions', async () => {
    const sender = await person()
    const bytes = randomBytes(1000)
    await sender.sendFile('files_bot', bytes, { name: 'private.bin' })
    const api = new Api(account.token, account.config.client)
    const [update] = await api.getUpdates({ timeout: 5 })
    const { file_path: path } = await api.getFile(update?.message?.document?.file_id ?? '')
    const answer = await fetch(`${telegram.apiRoot}/file/bot${account.token}/${path}`)
    expect(digest(new Uint8Array(await answer.arrayBuffer()))).toBe(digest(bytes))
    const bot = client()
    const { file } = await bot.sendFile('alice', bytes, { name: 'back.bin' })
    face.expireFileReferences()
    expect(digest(await all(bot.download(file)))).toBe(digest(bytes))
    for await (const dialog of sender.dialogs()) {
      if (dialog.chat !== account.id) continue
      expect(dialog.latest?.file).toMatchObject({ name: 'back.bin', origin: { chat: account.id } })
      expect(digest(await all(sender.download(dialog.latest?.file ?? '')))).toBe(digest(bytes))
    }
    expect.assertions(4)
  })

  test('every kind of file stays what it is', async () => {
    const [bot, reader] = [client(), await person()]
    const kinds = ['photo', 'video', 'audio', 'voice', 'animation', 'video_note', 'document'] as const
    for (const kind of kinds) {
      const bytes = randomBytes(1000)
      const { id } = await bot.sendFile('plaza', bytes, { as: kind, caption: 'look', duration: 7, width: 64 })
      const found = await reader.history('plaza', { from: id, to: id }).next()
      expect(found.value).toMatchObject({ text: 'look', file: { kind, size: 1000 } })
      expect(digest(await all(reader.download({ chat: 'plaza', message: id })))).toBe(digest(bytes))
    }
  })

  test('a person downloads by MTProto what a bot sent by the Bot API', async () => {
    const bytes = randomBytes(700_000)
    const api = new Api(account.token, account.config.client)
    const { message_id: message } = await api.sendDocument('@plaza', new InputFile(bytes, 'by-bot.bin'), {
      caption: 'look',
    })
    const { message_id: picture } = await api.sendPhoto('@plaza', new InputFile(bytes, 'photo.jpg'))
    const reader = await person()
    expect(digest(await all(reader.download({ chat: 'plaza', message })))).toBe(digest(bytes))
    expect(digest(await all(reader.download({ chat: 'plaza', message: picture })))).toBe(digest(bytes))
  })
})
