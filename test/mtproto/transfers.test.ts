import { createHash, randomBytes } from 'node:crypto'
import { type MtprotoClient, type MtprotoOptions, mtproto } from '../../src/mtproto/index.js'
import { type Person, startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'
import type { TelegramMtproto } from '../../src/telegram/mtproto/mtproto.js'

const MEGABYTE = 1024 * 1024
const PART = 512 * 1024

let telegram: Telegram
let face: TelegramMtproto
let account: TelegramBot
let alice: Person

let clients: MtprotoClient[]

beforeEach(async () => {
  telegram = await startTelegram()
  face = await telegram.mtproto({ others: [4] })
  account = telegram.createBot({ username: 'files_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
  clients = []
})

afterEach(async () => {
  for (const client of clients) await client.close()
  await telegram.close()
})

function client(options: Partial<MtprotoOptions> = {}): MtprotoClient {
  const made = mtproto({
    apiId: 1,
    apiHash: 'any',
    botToken: account.token,
    server: face.address,
    ...options,
  })
  clients.push(made)
  return made
}

async function all(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('a small file goes there and back', async () => {
  const bot = client()
  const bytes = randomBytes(100_001)
  const { id, file } = await bot.sendFile('plaza', bytes, { name: 'small.bin', caption: 'hello' })
  expect(file).toMatchObject({ kind: 'document', size: 100_001, name: 'small.bin' })
  expect(face.calls('upload.saveFilePart')).toBe(1)
  expect(digest(await all(bot.download(file)))).toBe(digest(bytes))
  expect(digest(await all(bot.download({ chat: 'plaza', message: id })))).toBe(digest(bytes))
})

test('a large one goes in parts', async () => {
  const bot = client()
  const bytes = randomBytes(20 * MEGABYTE + 12_345)
  const { file } = await bot.sendFile('plaza', bytes, { name: 'large.bin' })
  expect(face.calls('upload.saveBigFilePart')).toBe(41)
  expect(digest(await all(bot.download(file)))).toBe(digest(bytes))
  expect(PART).toBe(524_288)
})
