import { Refusal } from '../../world/refusal.js'
import type { Call, Methods } from '../call.js'

/** "The method will return error 429 in the first 10 minutes after the bot is launched" (close); as long for logOut. */
const TEN_MINUTES = 600_000

export const sessionMethods: Methods = {
  /** What waited is gone, and for ten minutes the bot is refused. */
  logOut(call) {
    call.bot.queue.forgetAllBut(0)
    call.bot.loggedOutUntil = call.world.clock.now() + TEN_MINUTES
    hangUp(call)
    return true
  },

  /** The bot may start again at once, here or on a server of its own. */
  close(call) {
    const { world, bot } = call
    const wait = Math.ceil((bot.launchedAt + TEN_MINUTES - world.clock.now()) / 1000)
    if (wait > 0) throw new Refusal(429, `Too Many Requests: retry after ${wait}`, { retry_after: wait })
    hangUp(call)
    bot.launchedAt = world.clock.now()
    return true
  },
}

function hangUp({ link }: Call): void {
  link.deleteWebhook()
  link.polling.interrupt('Internal Server Error: restart', 500)
}

/** @throws Refusal 400, in the words of Telegram, while the bot is logged out. */
export function assertLoggedIn({ world, bot }: Call): void {
  if (world.clock.now() < bot.loggedOutUntil) throw new Refusal(400, 'Logged out')
}
