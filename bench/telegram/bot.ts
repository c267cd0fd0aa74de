import { Bot } from 'grammy'

// The bot under load, in its own process as in reality: it looks at every update, answers in private chats, and tells its parent how
// many updates it has seen.
const [token = '', apiRoot = ''] = process.argv.slice(2)

const bot = new Bot(token, { client: { apiRoot } })
let handled = 0
bot.use((_, next) => {
  handled++
  return next()
})
bot.chatType('private').on('message', async (ctx) => {
  await ctx.reply('Seen')
})
bot.catch(({ message }) => console.error(message))
process.on('message', () => process.send?.(handled))
process.on('disconnect', () => process.exit())
await bot.start({
  onStart() {
    process.send?.(0)
  },
})
