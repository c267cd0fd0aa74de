import type { Api } from 'grammy'
import { SentinelError } from '../core/errors.js'
import { later } from '../core/later.js'
import type { Services } from '../middleware/services.js'
import { type OutgoingOptions, type OutgoingSettings, readOutgoing } from './options.js'
import type { Sender } from './sender.js'
import type { Outgoing, OutgoingHealth } from './transformer.js'
import { ignoring, transformer } from './transformer.js'

const sending = later('outgoing', () => import('./sender-of.js'))

/** The outgoing calls of one bot. */
interface Calls {
  readonly outgoing: Outgoing
  /** Whether the bot has its own options instead of the sentinel's. */
  own: boolean
  readonly isOff: boolean
  /** Applies other options to later calls; `false` lets later calls pass unchanged. */
  turn(settings: false | OutgoingSettings): void
}

/** The outgoing calls of a sentinel's bots, which use the storage, clock and listeners of the sentinel. */
export class OutgoingCalls {
  private readonly bots = new Map<object, Calls>()
  /** Bots that the sentinel is installed on. */
  private readonly followers = new Set<Pick<Api, 'config' | 'token'>>()

  constructor(private readonly services: () => Services) {}

  /** Applies the sentinel's options to a bot, now and at each {@link configure}, unless the bot has its own options. */
  follow(api: Pick<Api, 'config' | 'token'>, options: false | OutgoingOptions): void {
    this.followers.add(api)
    if (options !== false && !this.bots.has(api))
      this.bots.set(api, this.callsOf(api, readOutgoing(options), false))
  }

  /** Applies changed options of the sentinel. */
  configure(options: false | OutgoingOptions): void {
    for (const api of this.followers) {
      const known = this.bots.get(api)
      try {
        if (known === undefined) this.follow(api, options)
        else if (!known.own) known.turn(options && readOutgoing(options))
      } catch (error) {
        // The other changed options are in force already, and a bot with an invalid token must not undo them.
        this.services().failed(error, 'outgoing')
      }
    }
  }

  /**
   * Installs the transformer on the API of a bot, or returns the one that is installed.
   *
   * @throws SentinelError `option.unknown`, `option.invalid`, `duration.invalid`.
   */
  install(api: Pick<Api, 'config' | 'token'>, options: OutgoingOptions): Outgoing {
    const settings = readOutgoing(options)
    const calls = this.bots.get(api) ?? this.callsOf(api, settings, true)
    this.bots.set(api, calls)
    if (calls.isOff) {
      calls.own = true
      calls.turn(settings)
    }
    return calls.outgoing
  }

  private callsOf(api: Pick<Api, 'config' | 'token'>, settings: OutgoingSettings, own: boolean): Calls {
    const services = this.services()
    const bot = idOf(api.token)
    let current = settings
    let isIgnored = ignoring(current)
    let isOff = false
    // Loading starts now, so that the first call hardly has to wait for it.
    const sender = senderOf(services, bot, () => current)
    const outgoing = transformer(sender, (method) => isOff || isIgnored(method))
    api.config.use(outgoing)
    return {
      outgoing,
      own,
      get isOff() {
        return isOff
      },
      turn(next) {
        isOff = next === false
        if (next === false) return
        current = next
        isIgnored = ignoring(next)
        // Applies to all later calls, because they wait for the same promise.
        void sender.then((by) => by?.configure(next))
      },
    }
  }

  /** The health of all bots together; undefined if none is installed. */
  get health(): OutgoingHealth | undefined {
    const all = [...this.bots.values()].map(({ outgoing }) => outgoing.health())
    return all.length === 0 ? undefined : all.reduce(added)
  }

  /** Ends all waits. */
  async close(): Promise<void> {
    await Promise.all([...this.bots.values()].map(({ outgoing }) => outgoing.close()))
  }
}

/**
 * Loads the sender on demand, to keep it out of bots that do not use it. On failure reports an event; calls are then sent
 * unchanged.
 */
async function senderOf(
  services: Services,
  bot: number,
  current: () => OutgoingSettings,
): Promise<Sender | undefined> {
  try {
    const { senderIn } = await sending.load()
    return senderIn(services, bot, current)
  } catch (error) {
    services.failed(error, 'outgoing')
    return undefined
  }
}

function added(one: OutgoingHealth, other: OutgoingHealth): OutgoingHealth {
  const names = Object.keys(one) as (keyof OutgoingHealth)[]
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as unknown as OutgoingHealth
}

/** Returns the id of a bot, the part of its token before the colon. The rest is secret. */
function idOf(token: string): number {
  const id = Number(token.slice(0, Math.max(0, token.indexOf(':'))))
  if (Number.isSafeInteger(id) && id > 0) return id
  throw new SentinelError(
    'option.invalid',
    'outgoing: the token of this bot does not begin with an id. Tokens look like "123456:…".',
  )
}
