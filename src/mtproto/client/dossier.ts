import type { tl } from '@mtcute/core'
import type { Ms } from '../../core/duration.js'
import { type Caller, reasonOf } from './caller.js'
import { type Profile, profileOf } from './peers.js'

/**
 * What is known of how old an account is: at least so old, and what says so. Photographs can be taken away and numbers are given out
 * in a rough order only, so nothing says that an account is young: an age that is not known must never deny anybody.
 *
 * @example
 * ```ts
 * import type { AccountAge } from 'grammy-sentinel/mtproto'
 *
 * const isOlderThan = (ms: number, { atLeast }: AccountAge) => (atLeast === undefined ? 'unknown' : atLeast >= ms)
 * ```
 */
export interface AccountAge {
  /** Milliseconds; undefined if nothing tells. */
  readonly atLeast?: Ms
  readonly evidence?: 'photo'
}

/**
 * What MTProto tells of a user, and the Bot API does not.
 *
 * @example
 * ```ts
 * import type { Dossier } from 'grammy-sentinel/mtproto'
 *
 * const isSuspect = ({ profile, unknown }: Dossier) => profile.isScam || profile.isFake || 'photos' in unknown
 * ```
 */
export interface Dossier {
  readonly profile: Profile
  readonly about?: string
  /** How many chats we have in common. */
  readonly commonChats?: number
  readonly photos?: { readonly count: number; readonly oldestAt?: Ms }
  readonly age: AccountAge
  /** What could not be learned, and Telegram's reason, such as `BOT_METHOD_INVALID`. */
  readonly unknown: Readonly<Record<string, string>>
}

/** @throws SentinelError `mtproto.refused` for somebody the account has never met. */
export async function dossierOf(caller: Caller, who: number | string, now: Ms): Promise<Dossier> {
  const user = await caller.user(who)
  const unknown: Record<string, string> = {}
  const [users, full, photos] = await Promise.all([
    caller.call({ _: 'users.getUsers', id: [user] }),
    known(unknown, 'full', () => caller.call({ _: 'users.getFullUser', id: user })),
    known(unknown, 'photos', () => photosOf(caller, user)),
  ])
  const [found] = users
  if (found?._ !== 'user') throw new TypeError('mtproto: Telegram tells nothing of this user')
  const about = full?.fullUser.about
  return {
    profile: profileOf(found),
    ...(about !== undefined && { about }),
    ...(full !== undefined && { commonChats: full.fullUser.commonChatsCount }),
    ...(photos !== undefined && { photos }),
    age:
      photos?.oldestAt === undefined
        ? {}
        : { atLeast: Math.max(0, now - photos.oldestAt), evidence: 'photo' },
    unknown,
  }
}

/** Undefined, and noted why, where Telegram refuses. */
async function known<T>(
  unknown: Record<string, string>,
  what: string,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    const reason = reasonOf(error)
    if (reason === undefined) throw error
    unknown[what] = reason
    return undefined
  }
}

async function photosOf(caller: Caller, user: tl.TypeInputUser): Promise<NonNullable<Dossier['photos']>> {
  const { Long } = await import('@mtcute/core')
  const ask = (offset: number) =>
    caller.call({ _: 'photos.getUserPhotos', userId: user, offset, maxId: Long.ZERO, limit: 1 })
  const newest = await ask(0)
  const count = newest._ === 'photos.photosSlice' ? newest.count : newest.photos.length
  // The newest comes first, so the oldest is the last.
  const oldest = count > 1 ? await ask(count - 1) : newest
  const photo = oldest.photos.at(-1)
  return photo?._ === 'photo' ? { count, oldestAt: photo.date * 1000 } : { count }
}
