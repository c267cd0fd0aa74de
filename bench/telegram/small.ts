import { Bot } from 'grammy'
import { createTelegram, startTelegram } from 'grammy-sentinel/testing'
import { median } from '../compare.js'

/** Time until a server listens, in milliseconds. */
export async function starts(times: number): Promise<{ middle: number; slowest: number }> {
  const taken: number[] = []
  for (let i = 0; i < times; i++) {
    const before = performance.now()
    const telegram = await startTelegram()
    taken.push(performance.now() - before)
    await telegram.close()
  }
  return { middle: median(taken), slowest: Math.max(...taken) }
}

/** A typical test, from creation to closing: a bot, a group, a greeting, a ban. */
export async function typicalTest(times: number): Promise<{ middle: number; late: number; busy: number }> {
  const taken: number[] = []
  const cpu = process.cpuUsage()
  for (let i = 0; i < times; i++) {
    const before = performance.now()
    const telegram = createTelegram()
    const account = telegram.createBot({ username: 'typical_bot' })
    const alice = telegram.createUser({ firstName: 'Alice' })
    const mallory = telegram.createUser({ firstName: 'Mallory' })
    const group = telegram.createGroup({ title: 'G', owner: alice, members: [mallory], admins: [account] })
    const bot = new Bot(account.token, account.config)
    bot.command('start', (ctx) => ctx.reply('Welcome'))
    bot.hears(/casino/, (ctx) => ctx.banAuthor())
    await telegram.runs(bot)
    await alice.to(account).sends('/start')
    await alice.hears('Welcome')
    await mallory.in(group).sends('best casino')
    await telegram.called('banChatMember')
    if (group.member(mallory).status !== 'kicked') throw new Error('the bot did not ban Mallory')
    await telegram.close()
    taken.push(performance.now() - before)
  }
  taken.sort((a, b) => a - b)
  const { user, system } = process.cpuUsage(cpu)
  const busy = (user + system) / 1000 / times
  return { middle: median(taken), late: taken[Math.floor(taken.length * 0.95)] ?? 0, busy }
}
