import { Bot, InlineKeyboardBuilder, InputFile } from 'node-telegram-bot-api'
import { createWebhookServer } from 'node-telegram-bot-api/node'

export const name = 'node-telegram-bot-api'

/** The shop of the conversation, in the words of node-telegram-bot-api. */
function shop(token, apiRoot) {
  const bot = new Bot(token, { apiRoot })
  bot.command('start', (ctx) =>
    ctx.reply(`Welcome, ${ctx.message.from.first_name}`, {
      reply_markup: new InlineKeyboardBuilder().text('Buy', 'buy:1').build(),
    }),
  )
  bot.on('callback_query', async (ctx) => {
    const { message } = ctx.callbackQuery
    await ctx.answerCallbackQuery({ text: 'Sold' })
    await ctx.api.editMessageText({
      chat_id: message.chat.id,
      message_id: message.message_id,
      text: 'Bought',
    })
  })
  bot.command('receipt', (ctx) =>
    ctx.api.sendDocument({
      chat_id: ctx.message.chat.id,
      document: new InputFile(Buffer.from('one cat'), { filename: 'receipt.txt' }),
      caption: 'Here you are',
    }),
  )
  bot.hears(/casino/, async (ctx) => {
    const { chat, from, message_id } = ctx.message
    await ctx.api.deleteMessage({ chat_id: chat.id, message_id })
    await ctx.api.banChatMember({ chat_id: chat.id, user_id: from.id })
  })
  bot.on('message', async (ctx) => {
    if (ctx.message.document === undefined) return
    const { file_path } = await ctx.api.getFile({ file_id: ctx.message.document.file_id })
    const file = await fetch(`${apiRoot}/file/bot${token}/${file_path}`)
    await ctx.reply(`It says: ${await file.text()}`)
  })
  return bot
}

export async function polls(token, apiRoot) {
  const bot = shop(token, apiRoot)
  const running = bot.startPolling()
  return async () => {
    await bot.stop()
    await running
  }
}

export async function hooks(token, apiRoot, secret) {
  const bot = shop(token, apiRoot)
  const server = createWebhookServer(bot, { path: '/hook', secretToken: secret })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  await bot.api.setWebhook({
    url: `http://127.0.0.1:${server.address().port}/hook`,
    secret_token: secret,
  })
  return () => new Promise((done) => server.close(done))
}
