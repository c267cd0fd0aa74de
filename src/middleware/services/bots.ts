import type { Api, Bot, Context } from 'grammy'
import type { UserFromGetMe } from 'grammy/types'
import { Digest } from '../../core/digest.js'
import type { Reading } from '../../core/facts.js'

/** A bot that this sentinel has met. */
export interface KnownBot {
  readonly id: number
  readonly me: UserFromGetMe
  readonly api: Api
  /** How its updates are read: the bot's name, and the digest for fingerprints, which is the same in every worker. */
  readonly reading: Reading
}

/**
 * Returns an API client whose calls are never sent as the reply to a webhook: background calls come too late for that and would
 * be lost, and a reply returns no result. Returns the same client if the bot does not use webhook replies.
 */
function withoutWebhookReply(api: Api): Api {
  if (api.options?.canUseWebhookReply === undefined) return api
  const { canUseWebhookReply: _, ...options } = api.options
  const own = new (api.constructor as typeof Api)(api.token, options)
  own.config.use(...api.config.installedTransformers())
  return own
}

/** Gives a context such a client, for work that goes on after its update. */
export function stopWebhookReplies(ctx: { api: Api }): void {
  const own = withoutWebhookReply(ctx.api)
  if (own !== ctx.api) ctx.api = own
}

type Installed = Pick<Bot, 'api' | 'botInfo' | 'isInited'>
type Staged = (bot: KnownBot) => void

/** Most operations kept for later. */
const MOST_STAGED = 10_000

/**
 * The bots that a sentinel protects. A bot becomes known with its first update (or `install()`); operations
 * requested before that are staged and run for each bot when it is met.
 */
export class Bots {
  private readonly known = new Map<number, KnownBot>()
  /** Bots that were installed before they were initialised. */
  private readonly uninitialised = new Set<Installed>()
  private readonly staged: Staged[] = []
  private last: KnownBot | undefined
  /** The bots' own API clients by token. That of a context also has what middleware has installed on it for one update. */
  private readonly apis = new Map<string, Api>()

  /** Returns the bot of a context. The first time, runs the staged operations. */
  of(ctx: Context): KnownBot {
    const id = ctx.me.id
    if (this.last?.id === id) return this.last
    const bot = this.known.get(id) ?? this.meet(ctx.me, this.apiOf(ctx))
    this.last = bot
    return bot
  }

  /**
   * Makes a bot known. One that is not initialised becomes known later: with its first update, or when {@link all} finds it
   * initialised.
   */
  install(bot: Installed): void {
    this.note(bot.api)
    if (bot.isInited()) this.meet(bot.botInfo, bot.api)
    else this.uninitialised.add(bot)
  }

  /** Notes the API client of a bot, for calls outside of its updates. */
  note(api: Api): void {
    this.apis.set(api.token, api)
  }

  /** Returns the API client for calls outside of updates. */
  apiOf({ api }: Context): Api {
    return this.apis.get(api.token) ?? withoutWebhookReply(api)
  }

  meet(me: UserFromGetMe, api: Api): KnownBot {
    const bot: KnownBot = {
      id: me.id,
      me,
      api,
      // The token is the one secret that all workers share. Only a digest of it is kept.
      reading: { username: me.username, digest: Digest.keyed(`fingerprint ${api.token}`) },
    }
    this.known.set(me.id, bot)
    for (const operation of this.staged) operation(bot)
    return bot
  }

  all(): readonly KnownBot[] {
    for (const bot of this.uninitialised) {
      if (!bot.isInited()) continue
      this.uninitialised.delete(bot)
      if (!this.known.has(bot.botInfo.id)) this.meet(bot.botInfo, bot.api)
    }
    return [...this.known.values()]
  }

  get(id: number): KnownBot | undefined {
    return this.known.get(id)
  }

  /** Runs an operation for every bot that is met from now on; false if too many are staged. */
  stage(operation: Staged): boolean {
    if (this.staged.length >= MOST_STAGED) return false
    this.staged.push(operation)
    return true
  }
}
