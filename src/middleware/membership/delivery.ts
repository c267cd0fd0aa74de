import { API_CONSTANTS, type Api, type Context, type Transformer } from 'grammy'
import type { Update } from 'grammy/types'
import { SentinelError } from '../../core/errors.js'
import { later } from '../../core/later.js'
import type { Services } from '../services.js'

const comparing = later('delivery', () => import('./delivery-check.js'))

/** The part of a bot that concerns the delivery of updates. */
interface DeliveredBot {
  readonly api: Pick<Api, 'config' | 'token'>
  isRunning(): boolean
}

type Kind = Exclude<keyof Update, 'update_id'>

/** What Telegram delivers by default, as known to grammY's version. */
const BY_DEFAULT: readonly string[] = API_CONSTANTS.DEFAULT_UPDATE_TYPES
/** How a bot's updates are requested, as far as calls have shown. */
interface Route {
  /**
   * The developer's last list. Telegram keeps it when `allowed_updates` is omitted, which is what
   * `bot.start()` does from its second call on. Undefined for the default.
   */
  chosen: readonly string[] | undefined
  /** Whether Telegram has accepted a list with the needed kinds. */
  asked: boolean
}

/**
 * Ensures that Telegram delivers the update kinds that guards need: `chat_member` comes only to bots that list
 * it in `allowed_updates`.
 */
export class Delivery {
  private readonly installed = new WeakSet<object>()
  /** Routes by token, since contexts have an api object of their own. */
  private readonly routes = new Map<string, Route>()
  private readonly settled = new Set<string>()
  private last: string | undefined

  /**
   * @param needs Update kinds that the guards need. Called anew each time, since guards may change.
   * @param wanted Whether handlers are registered that would miss these updates.
   */
  constructor(
    private readonly needs: () => readonly string[],
    private readonly wanted: () => boolean,
    private readonly services: Pick<Services, 'warn' | 'background' | 'bots'>,
  ) {}

  /**
   * Adds the needed kinds to every `getUpdates` and `setWebhook` call of the bot. Idempotent.
   *
   * @throws SentinelError `bot.started` if the bot is already polling, as it has then already requested its updates.
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

  /**
   * To be called with every update. With the first of each bot, checks in the background whether all needed kinds are delivered.
   */
  seen(ctx: Context): void {
    const { token } = ctx.api
    if (token === this.last) return
    this.last = token
    if (this.settled.has(token)) return
    this.settled.add(token)
    this.find(this.services.bots.apiOf(ctx))
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

/** The transformer that {@link Delivery.install} installs. It passes on copies of payloads. */
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
