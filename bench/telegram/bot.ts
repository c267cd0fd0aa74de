import { Bot } from 'grammy'

// The bot under load, in a process of its own as bots are: it looks at everything, answers in private, and tells its parent how
// much it has seen.
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
