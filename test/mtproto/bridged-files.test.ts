import { Long } from '@mtcute/core'
import { tdFileId, toFileId } from '@mtcute/file-id'
import { readTdFileId } from '../../src/telegram/world/media/td-file-id.js'
import { bob, both, bridged, onBothFaces, plaza, polled, poller } from './both-faces.js'
import { telegram } from './stage.js'

onBothFaces()

const download = async (path: string | undefined) => {
  const answer = await telegram.fetch(`${telegram.apiRoot}/file/bot${poller.token}/${path}`)
  return Buffer.from(await answer.arrayBuffer())
}

test('the Bot API accepts the file_id of a bridged update, for sending and for downloading', async () => {
  await bob.in(plaza).sendsPhoto('a picture of a cat, with some bytes')
  await bob.in(plaza).sendsDocument('cats.txt', { content: 'Everything about cats' })
  await both(2)
  const [sizes, sent] = [bridged[0]?.message?.photo ?? [], polled[0]?.message?.photo ?? []]
  expect(sizes).toHaveLength(3)
  for (const [nth, { file_id }] of sizes.entries()) {
    expect(file_id).not.toBe(sent[nth]?.file_id)
    const { file_path, file_unique_id } = await poller.api.getFile(file_id)
    expect(file_unique_id).toBe(sent[nth]?.file_unique_id)
    expect((await download(file_path)).length).toBe(sent[nth]?.file_size)
  }
  const echoed = await poller.api.sendPhoto(plaza.id, sizes[2]?.file_id ?? '')
  expect(echoed.photo).toEqual(sent)
  const document = bridged[1]?.message?.document?.file_id ?? ''
  expect((await poller.api.sendDocument(plaza.id, document)).document).toMatchObject({
    file_name: 'cats.txt',
  })
  const { file_path } = await poller.api.getFile(document)
  expect(String(await download(file_path))).toBe('Everything about cats')
  await expect(poller.api.sendPhoto(plaza.id, document)).rejects.toThrow(
    /can't use file of type Document as Photo/,
  )
})

test('unknown files, kinds that bots cannot send and truncated ids are refused', async () => {
  const { FileType } = tdFileId
  const idOf = (type: number, id: string) =>
    toFileId({
      dcId: 2,
      type,
      fileReference: null,
      location: { _: 'common', id: Long.fromString(id), accessHash: Long.ONE },
    })
  const whole = Buffer.from(idOf(FileType.Document, '77'), 'base64url')
  for (let length = 0; length < whole.length - 2; length++) {
    const cut = Buffer.concat([whole.subarray(0, length), Buffer.of(58, 4)]).toString('base64url')
    expect(readTdFileId(cut)?.number ?? 77n).toBe(77n)
  }
  // Unpacking can make an id a hundred times as long, so an id that is too long must not be unpacked at all.
  const long = Buffer.concat([whole.subarray(0, -2), Buffer.alloc(1000, 1), whole.subarray(-2)])
  expect(readTdFileId(whole.toString('base64url'))?.number).toBe(77n)
  expect(readTdFileId(long.toString('base64url'))).toBeUndefined()
  for (const id of [idOf(FileType.Video, '77'), idOf(FileType.Secure, '77'), 'nonsenseAE', 'AAAAAAAAADoE'])
    await expect(poller.api.getFile(id)).rejects.toThrow(/wrong file_id/)
})
