import { deepEqual } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { botApi, fileOf, messagesFor } from './bot-api.mjs'

/** Larger than a piece of TDLib's, so that there are several. */
const SIZE = 1_300_001
const digest = (data) => createHash('sha256').update(data).digest('hex')
/** What looks the same each time, and like nothing else. */
const content = Buffer.from(Array.from({ length: SIZE }, (_, n) => (n * 31 + (n >> 8)) & 255))

/** Files go both ways, between data centres where they must. */
export async function exchangeFiles(checks, { telegram, client, person, bot, folder }) {
  await checks.that('a file that a bot sends is downloaded whole', async () => {
    const seen = client.updates.length
    const form = new FormData()
    form.set('chat_id', String(person.id))
    form.set('document', new Blob([content]), 'numbers.bin')
    await botApi(telegram, bot, 'sendDocument', form)
    const isIt = ({ _, message }) => _ === 'updateNewMessage' && message.content._ === 'messageDocument'
    const { message } = await client.update(isIt, 'the document', seen)
    const { document, file_name } = message.content.document
    deepEqual([file_name, document.size], ['numbers.bin', SIZE])
    const { local } = await client.call({
      _: 'downloadFile',
      file_id: document.id,
      priority: 1,
      offset: 0,
      limit: 0,
      synchronous: true,
    })
    deepEqual([local.is_downloading_completed, digest(readFileSync(local.path))], [true, digest(content)])
  })

  await checks.that('a file that it sends reaches the bot whole', async () => {
    const path = join(folder, 'letters.bin')
    // Other bytes: TDLib would not send anew what it has from the server.
    const own = Buffer.from(content).reverse()
    writeFileSync(path, own)
    await client.posts(bot.id, {
      _: 'inputMessageDocument',
      document: { _: 'inputDocument', document: { _: 'inputFileLocal', path } },
      caption: { _: 'formattedText', text: 'have a look', entities: [] },
    })
    const message = (await messagesFor(telegram, bot)).findLast(({ document }) => document !== undefined)
    deepEqual(
      [message.caption, message.document.file_name, message.document.file_size],
      ['have a look', 'letters.bin', SIZE],
    )
    deepEqual(digest(await fileOf(telegram, bot, message.document.file_id)), digest(own))
  })
}
