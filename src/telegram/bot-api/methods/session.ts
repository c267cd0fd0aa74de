import { Refusal } from '../../world/refusal.js'
import type { Call, Methods } from '../call.js'

/**
 * "The method will return error 429 in the first 10 minutes after the bot is launched" (close); logOut locks the bot out for the
 * same time.
 */
const TEN_MINUTES = 600_000

export const sessionMethods: Methods = {
  /** Drops pending updates and refuses the bot's calls for ten minutes. */
  logOut(call) {
    call.bot.queue.forgetAllBut(0)
    call.bot.loggedOutUntil = call.world.clock.now() + TEN_MINUTES
    hangUp(call)
    return true
  },

  /** The bot can start again immediately, here or on its own server. */
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

/** @throws Refusal 400, in Telegram's words, while the bot is logged out. */
export function assertLoggedIn({ world, bot }: Call): void {
  if (world.clock.now() < bot.loggedOutUntil) throw new Refusal(400, 'Logged out')
}
