import type { Api, Context } from 'grammy'
import type { UserFromGetMe } from 'grammy/types'
import { Digest } from '../../core/digest.js'
import type { Reading } from '../../core/facts.js'

/** A bot that this chain has met. */
export interface KnownBot {
  readonly id: number
  readonly me: UserFromGetMe
  readonly api: Api
  /** How its updates are read: its name, and its key for fingerprints, the same in every worker. */
  readonly reading: Reading
}

/**
 * The same connection, for calls that never go out as the answer to a webhook: what is said aside comes too late for that and would be
 * lost, and what asks would learn nothing. Itself where the bot answers with no calls.
 */
export function ownWay(api: Api): Api {
  if (api.options?.canUseWebhookReply === undefined) return api
  const { canUseWebhookReply: _, ...options } = api.options
  const own = new (api.constructor as typeof Api)(api.token, options)
  own.config.use(...api.config.installedTransformers())
  return own
}

type Staged = (bot: KnownBot) => void

/** Staged operations kept at most. */
const MOST_STAGED = 10_000

/**
 * The bots that a chain stands in front of. They show themselves with their first update (or `install()`); what
 * is asked before that is staged and done for each bot as it comes.
 */
export class Bots {
  private readonly known = new Map<number, KnownBot>()
  private readonly staged: Staged[] = []
  private last: KnownBot | undefined

  /** The bot of a context; on first sight, what was staged is done. */
  of(ctx: Context): KnownBot {
    const id = ctx.me.id
    if (this.last?.id === id) return this.last
    const bot = this.known.get(id) ?? this.meet(ctx.me, ownWay(ctx.api))
    this.last = bot
    return bot
  }

  meet(me: UserFromGetMe, api: Api): KnownBot {
    const bot: KnownBot = {
      id: me.id,
      me,
      api,
      // The token is the one secret that all workers share. Only its digest is kept.
      reading: { username: me.username, digest: Digest.keyed(`fingerprint ${api.token}`) },
    }
    this.known.set(me.id, bot)
    for (const operation of this.staged) operation(bot)
    return bot
  }

  all(): readonly KnownBot[] {
    return [...this.known.values()]
  }

  get(id: number): KnownBot | undefined {
    return this.known.get(id)
  }

  /** Does it for every bot as it is first met from now on; false if too much is staged. */
  stage(operation: Staged): boolean {
    if (this.staged.length >= MOST_STAGED) return false
    this.staged.push(operation)
    return true
  }
}
