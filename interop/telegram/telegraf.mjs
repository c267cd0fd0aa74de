import { createServer } from 'node:http'
import { Input, Markup, Telegraf } from 'telegraf'
import { message } from 'telegraf/filters'

export const name = 'telegraf'

/** The shop of the conversation, in telegraf's words. */
function shop(token, apiRoot) {
  const bot = new Telegraf(token, { telegram: { apiRoot } })
  bot.start((ctx) =>
    ctx.reply(
      `Welcome, ${ctx.from.first_name}`,
      Markup.inlineKeyboard([Markup.button.callback('Buy', 'buy:1')]),
    ),
  )
  bot.action('buy:1', async (ctx) => {
    await ctx.answerCbQuery('Sold')
    await ctx.editMessageText('Bought')
  })
  bot.command('receipt', (ctx) =>
    ctx.replyWithDocument(Input.fromBuffer(Buffer.from('one cat'), 'receipt.txt'), {
      caption: 'Here you are',
    }),
  )
  bot.on(message('document'), async (ctx) => {
    const link = await ctx.telegram.getFileLink(ctx.message.document.file_id)
    await ctx.reply(`It says: ${await (await fetch(link)).text()}`)
  })
  bot.hears(/casino/, async (ctx) => {
    await ctx.deleteMessage()
    await ctx.banChatMember(ctx.from.id)
  })
  return bot
}

export async function polls(token, apiRoot) {
  const bot = shop(token, apiRoot)
  const running = bot.launch()
  return async () => {
    bot.stop()
    await running
  }
}

export async function hooks(token, apiRoot, secret) {
  const bot = shop(token, apiRoot)
  const server = createServer(bot.webhookCallback('/hook', { secretToken: secret }))
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  await bot.telegram.setWebhook(`http://127.0.0.1:${server.address().port}/hook`, { secret_token: secret })
  return () => new Promise((done) => server.close(done))
}
