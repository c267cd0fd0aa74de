import {
  type ITelegramStorageProvider,
  networkMiddlewares,
  type RpcCallMiddleware,
  type tl,
} from '@mtcute/core'
import { BaseTelegramClient, TelegramClient } from '@mtcute/core/client.js'
import { addPublicKey } from '@mtcute/core/utils.js'
import { errorText } from '../../core/redact.js'
import type { FloodControl } from './calls/flood.js'
import { refusalIn, refusedOr } from './calls/refusal.js'
import type { Traffic } from './calls/traffic.js'
import { closed, tellCallersAlone } from './calls-after-close.js'
import { NodeCrypto } from './crypto.js'
import type { ReadOptions } from './options.js'
import { platformOf } from './platform.js'
import { noticePostponed } from './postponed-updates.js'
import { callOffSaltTimers } from './salt-timers.js'
import type { Gaps } from './updates/gaps.js'

/** Dependencies of mtcute's client, passed to one function so that all of mtcute can be loaded at once, and late. */
interface Surroundings {
  readonly options: ReadOptions
  readonly storage: ITelegramStorageProvider
  readonly flood: FloodControl
  readonly traffic: Traffic
  readonly gaps: Gaps
  readonly onError: (error: unknown) => void
  /** Whether the session is still ours; calls are made only then. */
  readonly isOurs: () => boolean
  /** Called with everything Telegram sends: answers and updates. */
  readonly onTold: (told: unknown) => void
  readonly onTooLong: (channel: number, newest: number) => void
}

/**
 * One key in 256 begins with a zero byte. mtcute drops that byte, so that its hash differs from Telegram's, and takes this for an
 * attack; then it negotiates a new key by itself. Only if that fails as well may there really be somebody in between.
 */
const ANOTHER_KEY = 'Step 4: invalid nonce hash from server'

/** mtcute's high-level client and the base client beneath it. */
export interface Opened {
  readonly base: BaseTelegramClient
  readonly client: TelegramClient
}

export function newClient({
  options,
  storage,
  flood,
  traffic,
  gaps,
  onError,
  isOurs,
  onTold,
  onTooLong,
}: Surroundings): Opened {
  const crypto = new NodeCrypto()
  const { server } = options
  if (server !== undefined) addPublicKey(crypto, server.publicKey)
  const dc = server && { ipAddress: server.host, port: server.port, id: server.dc }
  let isKeyMissed = false
  // An error in a callback must not fail a call that Telegram has already executed.
  const tell = (told: unknown) => {
    // Any answer proves that the key exchange has succeeded.
    isKeyMissed = false
    try {
      onTold(told)
    } catch (error) {
      onError(error)
    }
  }
  const base = new BaseTelegramClient({
    apiId: options.apiId,
    apiHash: options.apiHash,
    storage,
    crypto,
    ...(dc !== undefined && { defaultDcs: { main: dc, media: dc } }),
    ...platformOf(traffic),
    network: {
      middlewares: [
        gaps.watching,
        telling(tell),
        waiting(flood),
        counting(traffic),
        ...networkMiddlewares.basic({
          floodWaiter: { maxWait: 0, maxRetries: 0, store: false },
          internalErrors: { maxRetries: 3 },
        }),
        // Last, because the session may be lost while a call waits in one of the others.
        (ctx, next) => (isOurs() ? next(ctx) : Promise.reject(closed())),
      ],
    },
    updates: {
      catchUp: true,
      // Also dispatches updates that are part of answers to our own calls.
      disableNoDispatch: true,
      onChannelTooLong: (channel, { dialog }) =>
        onTooLong(channel, dialog._ === 'dialog' ? dialog.topMessage : 0),
    },
  })
  base.onServerUpdate.add(tell)
  callOffSaltTimers(base)
  tellCallersAlone(base)
  noticePostponed(base)
  base.onError.add((error) => {
    const text = errorText(error)
    const isSilent = !isKeyMissed && text.includes(ANOTHER_KEY)
    isKeyMissed ||= isSilent
    if (!isSilent) onError(new Error(text))
  })
  return { base, client: new TelegramClient({ client: base }) }
}

/** Stores who is logged in. */
export async function loggedIn(
  { base }: Pick<Opened, 'base'>,
  who: tl.auth.TypeAuthorization | tl.RawUser,
): Promise<void> {
  await base.storage.self.storeFrom(base.mt.network.notifyLoggedIn(who))
}

/** Logs a bot in, unless it already is. Does not use mtcute's own log-in, which would start the updates before anybody listens. */
export async function logInBot(
  { base, client }: Opened,
  token: string,
  apiId: number,
  apiHash: string,
): Promise<void> {
  await base.connect()
  await loggedIn({ base }, await authorization())

  async function authorization() {
    try {
      return (await client.getMe()).raw
    } catch (error) {
      if (Object(error).text !== 'AUTH_KEY_UNREGISTERED') throw refusedOr(error, 'users.getUsers')
    }
    const login = { _: 'auth.importBotAuthorization', flags: 0, apiId, apiHash, botAuthToken: token } as const
    return base.call(login).catch((error: unknown) => {
      throw refusedOr(error, login._)
    })
  }
}

/**
 * Starts the flow of updates from where it stopped. A new session first stores the current state: mtcute would ask for it in the
 * background, and treat updates that arrive before the answer as already seen.
 *
 * @throws SentinelError `mtproto.session` if the client is closed meanwhile.
 */
export async function startUpdates(
  { base, client }: Opened,
  channels: readonly number[],
  isEnding: () => boolean,
): Promise<void> {
  if ((await base.storage.updates.getState()) === null) {
    const state = { _: 'updates.getState' } as const
    const { pts, qts, date, seq } = await client.call(state).catch((error: unknown) => {
      throw refusedOr(error, state._)
    })
    const { updates } = base.storage
    await updates.setPts(pts)
    await updates.setQts(qts)
    await updates.setDate(date)
    await updates.setSeq(seq)
  }
  await base.updates?.prepare()
  // mtcute reads a channel's stored position only while it catches up: a channel whose difference is refused then would restart
  // from its next update.
  const stood = await Promise.all(channels.map((channel) => base.storage.updates.getChannelPts(channel)))
  channels.forEach((channel, nth) => {
    const pts = stood[nth] ?? 0
    if (pts > 0) base.updates?.cpts.set(channel, pts)
  })
  // mtcute does not check this: the update loop of a destroyed client would run for ever and keep the process alive.
  if (base.destroyed || isEnding()) throw closed()
  await client.startUpdatesLoop()
  // Telegram reports missed updates of the account by itself, but those of a channel only once there is a new update in it.
  fetchMissed(base, channels)
}

/** Makes mtcute fetch what these channels have missed. */
export function fetchMissed({ updates: manager }: Opened['base'], channels: readonly number[]): void {
  if (channels.length === 0) return
  const updates = channels.map((channelId): tl.TypeUpdate => ({ _: 'updateChannelTooLong', channelId }))
  manager?.handleUpdate({ _: 'updates', updates, users: [], chats: [], date: 0, seq: 0 })
}

function waiting(flood: FloodControl): RpcCallMiddleware {
  const secondsOf = (answer: unknown) => {
    const wait = /^(?:FLOOD|FLOOD_PREMIUM|FLOOD_TEST_PHONE)_WAIT_(\d+)$/.exec(
      refusalIn(answer)?.errorMessage ?? '',
    )
    return wait === null ? undefined : Number(wait[1])
  }
  return (ctx, next) => {
    const call = () => Promise.resolve(next(ctx))
    return flood.run(ctx.request._, call, secondsOf, ctx.params?.abortSignal)
  }
}

function telling(told: (answer: unknown) => void): RpcCallMiddleware {
  return async (ctx, next) => {
    const answer = await next(ctx)
    told(answer)
    return answer
  }
}

function counting(traffic: Traffic): RpcCallMiddleware {
  return async (ctx, next) => {
    const answered = traffic.begin(ctx.request._)
    try {
      const answer = await next(ctx)
      answered(refusalIn(answer)?.errorMessage)
      return answer
    } catch (error) {
      answered('CONNECTION')
      throw error
    }
  }
}
