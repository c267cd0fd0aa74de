import { API_CONSTANTS, type Api, type Context, type Transformer } from 'grammy'
import type { Update } from 'grammy/types'
import { SentinelError } from '../../core/errors.js'
import { later } from '../../core/later.js'
import type { Services } from '../services.js'

const comparing = later('delivery', () => import('./delivered.js'))

/** As far as updates are delivered to it, this is a bot. */
export interface DeliveredBot {
  readonly api: Pick<Api, 'config' | 'token'>
  isRunning(): boolean
}

type Kind = Exclude<keyof Update, 'update_id'>

/** What Telegram delivers when nothing is named, as grammY's version knows it. */
const BY_DEFAULT: readonly string[] = API_CONSTANTS.DEFAULT_UPDATE_TYPES
/** How a bot's updates come, as far as it has shown. */
interface Route {
  /**
   * What the developer asked for when last asked: Telegram keeps it where `allowed_updates` is left out, which is what
   * `bot.start()` does from its second call on. Undefined: the default.
   */
  chosen: readonly string[] | undefined
  /** Telegram has taken a list of ours. */
  asked: boolean
}

/**
 * Sees to it that Telegram delivers the update kinds that guards need: `chat_member` comes only to bots that name
 * it in `allowed_updates`.
 */
export class Delivery {
  private readonly installed = new WeakSet<object>()
  /** By token: contexts have an api of their own. */
  private readonly routes = new Map<string, Route>()
  private readonly settled = new Set<string>()
  private last: string | undefined

  /**
   * @param needs Update kinds that the guards need. Asked anew each time: guards may change.
   * @param wanted Whether somebody would miss them: handlers are registered.
   */
  constructor(
    private readonly needs: () => readonly string[],
    private readonly wanted: () => boolean,
    private readonly services: Pick<Services, 'warn' | 'background'>,
  ) {}

  /**
   * Adds what is needed to every `getUpdates` and `setWebhook` of the bot. Idempotent.
   *
   * @throws SentinelError `bot.started` when the bot polls already: it told Telegram what it wants.
   */
  install(bot: DeliveredBot): void {
    const { api } = bot
    if (this.installed.has(bot)) return
    if (bot.isRunning()) {
      throw new SentinelError(
        'bot.started',
        'guard.install(bot): the bot is running, and has told Telegram which updates it wants. Install before bot.start().',
      )
    }
    const route = this.routes.get(api.token) ?? { chosen: undefined, asked: false }
    this.installed.add(bot)
    this.routes.set(api.token, route)
    this.settled.delete(api.token)
    this.last = undefined
    api.config.use(deliver(this.needs, route))
  }

  /** To be called with every update; at the first of each bot it finds out, aside, whether all that is needed comes. */
  seen(ctx: Context): void {
    const { token } = ctx.api
    if (token === this.last) return
    this.last = token
    if (this.settled.has(token)) return
    this.settled.add(token)
    this.find(ctx.api)
  }

  private find(api: Api): void {
    const route = this.routes.get(api.token)
    if (route === undefined ? !this.wanted() : route.asked) return
    const needs = this.needs()
    if (needs.length === 0) return
    this.services.background.run('delivery', async () => {
      const { compareDelivery } = await comparing.load()
      const bot = { installed: route !== undefined, wanted: this.wanted() }
      await compareDelivery(api, needs, bot, this.services.warn)
    })
  }
}

/** The transformer that {@link Delivery.install} installs. Payloads are handed on as copies. */
function deliver(needs: () => readonly string[], route: Route): Transformer {
  return async (prev, method, payload, signal) => {
    if (method !== 'getUpdates' && method !== 'setWebhook') return prev(method, payload, signal)
    const added = needs()
    if (added.length === 0) return prev(method, payload, signal)
    const given = (payload as { allowed_updates?: unknown } | undefined)?.allowed_updates
    const chosen = Array.isArray(given) ? (given.length > 0 ? [...given] : undefined) : route.chosen
    const allowed = [...new Set<string>([...(chosen ?? BY_DEFAULT), ...added])]
    const answer = await prev(method, { ...payload, allowed_updates: allowed as Kind[] }, signal)
    if (answer.ok) {
      route.chosen = chosen
      route.asked = true
    }
    return answer
  }
}
