import type { Api } from 'grammy'
import { systemTimers } from '../core/clock.js'
import { SentinelError } from '../core/errors.js'
import { later } from '../core/later.js'
import type { House } from '../middleware/house.js'
import { parseOptions } from '../middleware/options/schema.js'
import type { OutgoingOptions } from './options.js'
import { outgoingOptions } from './options.js'
import type { Outgoing, OutgoingHealth } from './outgoing.js'
import type { Sender, SenderSetting } from './sender.js'
import { transformer } from './transformer.js'

const sending = later('outgoing', () => import('./sender.js'))

/** What a bot sends, as far as a sentinel sees to it: the storage, the clock and the listeners are the sentinel's. */
export class OutgoingCalls {
  private readonly bots = new Map<object, Outgoing>()

  constructor(private readonly house: () => House) {}

  /**
   * Installs the transformer on the api of a bot; the one that is there already, if it is.
   *
   * @throws SentinelError `option.unknown`, `option.invalid`, `duration.invalid`.
   */
  install(api: Pick<Api, 'config' | 'token'>, options: OutgoingOptions): Outgoing {
    const settings = parseOptions('outgoing', outgoingOptions, options) as OutgoingOptions
    const known = this.bots.get(api)
    if (known !== undefined) return known
    const house = this.house()
    const { storage, events, timers } = house
    const failed = (error: unknown, during: string): void => events.tell('error', { error, during })
    const guarded = <T>(tell: ((told: T) => void) | undefined, during: string, told: T): void => {
      try {
        tell?.(told)
      } catch (error) {
        failed(error, during)
      }
    }
    const { onLimited, onMigrated, onError } = settings
    const setting: SenderSetting = {
      bot: idOf(api.token),
      storage: storage.remote === true ? storage : undefined,
      clock: house.at() === undefined ? undefined : house.clock,
      timers: timers === systemTimers ? undefined : timers,
      random: Math.random,
      limited(told) {
        events.tell('outgoing.limited', told)
        guarded(onLimited, 'outgoing.onLimited', told)
      },
      migrated(told) {
        events.tell('chat.migrated', told)
        guarded(onMigrated, 'outgoing.onMigrated', told)
      },
      failed(error, during) {
        if (onError === undefined) failed(error, during)
        else guarded(onError, 'outgoing.onError', { error, during })
      },
    }
    // Begun here and now, so that the first call hardly waits for it.
    const calls = transformer(senderOf(settings, setting), settings)
    this.bots.set(api, calls)
    api.config.use(calls)
    return calls
  }

  /** Of all bots together; undefined where none is seen to. */
  get health(): OutgoingHealth | undefined {
    const all = [...this.bots.values()].map((calls) => calls.health())
    return all.length === 0 ? undefined : all.reduce(added)
  }

  /** Ends all waits. */
  async close(): Promise<void> {
    await Promise.all([...this.bots.values()].map((calls) => calls.close()))
  }
}

/** Loaded apart, so that bots that leave what they send alone do not carry it. What fails is told, and calls are made as they are. */
async function senderOf(settings: OutgoingOptions, setting: SenderSetting): Promise<Sender | undefined> {
  try {
    const { Sender } = await sending.load()
    return new Sender(settings, setting)
  } catch (error) {
    setting.failed(error, 'outgoing')
    return undefined
  }
}

function added(one: OutgoingHealth, other: OutgoingHealth): OutgoingHealth {
  const names = Object.keys(one) as (keyof OutgoingHealth)[]
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as unknown as OutgoingHealth
}

/** The id stands before the colon; what follows is the secret. */
function idOf(token: string): number {
  const id = Number(token.slice(0, Math.max(0, token.indexOf(':'))))
  if (Number.isSafeInteger(id) && id > 0) return id
  throw new SentinelError(
    'option.invalid',
    'outgoing: the token of this bot begins with no id. Tokens look like "123456:…".',
  )
}
