import { createServer } from 'node:http'
import { Bot, InlineKeyboard, MediaUpload, webhookHandler } from 'gramio'

export const name = 'GramIO'

/** The shop of the conversation, in GramIO's words. */
function shop(token, apiRoot) {
  return new Bot(token, { api: { baseURL: `${apiRoot}/bot`, retryGetUpdatesWait: 100 } })
    .command('start', (context) =>
      context.send(`Welcome, ${context.from.firstName}`, {
        reply_markup: new InlineKeyboard().text('Buy', 'buy:1'),
      }),
    )
    .callbackQuery('buy:1', async (context) => {
      await context.answer('Sold')
      await context.editText('Bought')
    })
    .command('receipt', (context) =>
      context.sendDocument(MediaUpload.buffer(Buffer.from('one cat'), 'receipt.txt'), {
        caption: 'Here you are',
      }),
    )
    .hears(/casino/, async (context) => {
      await context.delete()
      await context.bot.api.banChatMember({ chat_id: context.chat.id, user_id: context.from.id })
    })
    .on('message', async (context) => {
      if (context.document === undefined) return
      const { file_path } = await context.bot.api.getFile({ file_id: context.document.fileId })
      const file = await fetch(`${apiRoot}/file/bot${token}/${file_path}`)
      await context.send(`It says: ${await file.text()}`)
    })
}

export async function polls(token, apiRoot) {
  const bot = shop(token, apiRoot)
  await bot.start()
  return () => bot.stop()
}

export async function hooks(token, apiRoot, secret) {
  const bot = shop(token, apiRoot)
  const server = createServer(webhookHandler(bot, 'http', secret))
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  await bot.init()
  await bot.api.setWebhook({
    url: `http://127.0.0.1:${server.address().port}/hook`,
    secret_token: secret,
  })
  return () => new Promise((done) => server.close(done))
}
