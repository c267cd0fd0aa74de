import { randomBytes } from 'node:crypto'
import { Api, Bot } from 'grammy'
import type { Message } from 'grammy/types'
import type { TlObject } from '../../src/mtproto/protocol/tl/object.js'
import type { TelegramGroup } from '../../src/telegram/index.js'
import { until } from '../servers/until.js'
import {
  account,
  alice,
  all,
  ask,
  client,
  face,
  inputChannel,
  onStage,
  person,
  rawBot,
  telegram,
} from './stage.js'

let plaza: TelegramGroup

onStage()
beforeEach(() => {
  plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account], username: 'plaza' })
})

const api = () => new Api(account.token, account.config.client)
const KB = 1000

async function gotten(count: number): Promise<Message[]> {
  const messages: Message[] = []
  for (let offset = 0; messages.length < count; ) {
    for (const { update_id, message } of await api().getUpdates({ offset, timeout: 5 })) {
      offset = update_id + 1
      if (message !== undefined) messages.push(message)
    }
  }
  return messages
}

test('a bot receives an album of a person by the Bot API, in order and with its files', async () => {
  const sender = await person()
  const bytes = [KB, 2 * KB, 3 * KB].map((size) => randomBytes(size))
  const [first, second, third] = bytes as [Buffer, Buffer, Buffer]
  const uploaded = await sender.upload(third, { name: 'last.mp4' })
  const sent = await sender.sendAlbum('plaza', [
    { file: first, as: 'photo', caption: 'three of them' },
    { file: second, as: 'video', name: 'a.mp4', width: 320, height: 200, duration: 7 },
    { file: uploaded, as: 'video' },
  ])
  const messages = await gotten(3)
  expect(messages.map(({ message_id }) => message_id)).toEqual(sent.map(({ id }) => id))
  expect(new Set(messages.map(({ media_group_id }) => media_group_id)).size).toBe(1)
  expect(messages[0]).toMatchObject({
    media_group_id: expect.stringMatching(/^\d+$/),
    caption: 'three of them',
    photo: [{}, {}, { file_size: KB }],
  })
  expect(messages[1]).toMatchObject({
    video: { file_name: 'a.mp4', width: 320, height: 200, duration: 7, file_size: 2 * KB },
  })
  expect(messages[2]).toMatchObject({ video: { file_name: 'last.mp4', file_size: 3 * KB } })
  for (const [nth, { file }] of sent.entries())
    expect(Buffer.concat(await all(sender.download(file)))).toEqual(bytes[nth])
})

test('an album arrives over the bridge with one media group', async () => {
  const bot = new Bot(account.token, account.config)
  const groups: (string | undefined)[] = []
  bot.on('message:photo', ({ message }) => void groups.push(message.media_group_id))
  await client().bridge(bot)
  await alice.in(plaza).sendsAlbum(['a.jpg', 'b.jpg'])
  await until('the album has come', () => groups.length === 2)
  expect(groups[0]).toEqual(expect.any(String))
  expect(groups[1]).toBe(groups[0])
})

test('two albums have two media groups, and an album may be a reply', async () => {
  const bot = client()
  const { message_id } = await alice.in(plaza).sends('show me')
  const pair = () => [0, 1].map(() => ({ file: randomBytes(KB), as: 'photo' as const }))
  const sent = [
    ...(await bot.sendAlbum('plaza', pair(), { replyTo: message_id })),
    ...(await bot.sendAlbum('plaza', pair())),
  ]
  const messages = plaza.messages.slice(1)
  expect(messages.map((each) => each.message_id)).toEqual(sent.map(({ id }) => id))
  const [first, second, third, fourth] = messages.map((each) => each.media_group_id)
  expect([first === second, second === third, third === fourth]).toEqual([true, false, true])
  const answered = messages.map((each) => each.reply_to_message?.message_id)
  expect(answered).toEqual([message_id, message_id, undefined, undefined])
})

test.each([1, 11])('an album of %i files is refused', async (count) => {
  const files = Array.from({ length: count }, () => ({ file: randomBytes(10) }))
  await expect(client().sendAlbum('plaza', files)).rejects.toMatchObject({
    code: 'mtproto.transfer',
    message: expect.stringContaining(`files, not ${count}.`),
  })
})

test('documents cannot be mixed with photos', async () => {
  const files = [{ file: randomBytes(10) }, { file: randomBytes(11), as: 'photo' as const }]
  await expect(client().sendAlbum('plaza', files)).rejects.toMatchObject({ reason: 'MEDIA_GROUPED_INVALID' })
})

test('an album that is sent again, because its answer was lost, is not sent twice', async () => {
  const bot = await rawBot()
  const group = telegram.createGroup({ title: 'Square', owner: alice, admins: [account] })
  const { channel_id, access_hash } = inputChannel(group)
  const file = (id: bigint) => ({ _: 'inputFile', id, parts: 1, name: 'a.jpg', md5_checksum: '' })
  const multi_media: TlObject[] = []
  for (const id of [1n, 2n]) {
    await ask(bot, 'upload.saveFilePart', { file_id: id, file_part: 0, bytes: randomBytes(KB) })
    const media = { _: 'inputMediaUploadedPhoto', file: file(id) }
    multi_media.push({ _: 'inputSingleMedia', media, random_id: id, message: '' })
  }
  const peer = { _: 'inputPeerChannel', channel_id, access_hash } as TlObject
  const send = () => ask(bot, 'messages.sendMultiMedia', { peer, multi_media })
  const ids = ({ updates }: TlObject) =>
    (updates as readonly TlObject[]).filter(({ _ }) => _ === 'updateMessageID').map(({ id }) => id)
  const first = ids(await send())
  expect(first).toHaveLength(2)
  expect(ids(await send())).toEqual(first)
  expect(face.calls('messages.sendMultiMedia')).toBe(2)
})
