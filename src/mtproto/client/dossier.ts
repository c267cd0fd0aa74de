import type { tl } from '@mtcute/core'
import type { Ms } from '../../core/duration.js'
import type { Caller } from './calls/caller.js'
import { type Profile, profileOf } from './calls/peers.js'
import { reasonOf } from './calls/refusal.js'

/**
 * What says how old an account is: the month of its registration, its oldest photo, or when its name or photo was changed.
 *
 * @example
 * ```ts
 * import type { AgeEvidence } from 'grammy-sentinel/mtproto'
 *
 * const isTold = (evidence: AgeEvidence): boolean => evidence === 'registration'
 * ```
 */
export type AgeEvidence = 'registration' | 'photo' | 'name change' | 'photo change'

/**
 * What is known of how old an account is, as bounds with their evidence. Photos and changes say that it is so old at least, and nothing
 * of whether it is young: photos can be taken away. Only the month of registration bounds from above, and Telegram tells that of strangers
 * who write to a person first, hardly ever to bots. Numbers of users are given out in a rough order only, and are no evidence.
 *
 * @example
 * ```ts
 * import type { AccountAge } from 'grammy-sentinel/mtproto'
 *
 * const isYoungerThan = (ms: number, { atMost }: AccountAge) => (atMost === undefined ? 'unknown' : atMost < ms)
 * ```
 */
export interface AccountAge {
  /** Milliseconds; absent if nothing tells. */
  readonly atLeast?: Ms
  /** What `atLeast` goes by. */
  readonly evidence?: AgeEvidence
  /** Milliseconds; absent unless Telegram tells the month of registration. */
  readonly atMost?: Ms
  /** That month, as `YYYY-MM`. */
  readonly registered?: string
}

/**
 * Why Telegram shows somebody to fewer people.
 *
 * @example
 * ```ts
 * import type { Restriction } from 'grammy-sentinel/mtproto'
 *
 * const isEverywhere = ({ platform }: Restriction): boolean => platform === 'all'
 * ```
 */
export interface Restriction {
  /** Where, such as `all`, `ios` or `android`. */
  readonly platform: string
  /** Such as `porn` or `terms`. */
  readonly reason: string
  /** For people. */
  readonly text: string
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
  /** With all active usernames. */
  readonly profile: Profile
  readonly about?: string
  readonly restrictions: readonly Restriction[]
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
    restrictions: (found.restrictionReason ?? []).map(({ platform, reason, text }) => ({
      platform,
      reason,
      text,
    })),
    ...(full !== undefined && { commonChats: full.fullUser.commonChatsCount }),
    ...(photos !== undefined && { photos }),
    age: ageOf(now, photos?.oldestAt, full?.fullUser.settings),
    unknown,
  }
}

/** What is read of `peerSettings`. */
type Settings = Partial<Pick<tl.RawPeerSettings, 'registrationMonth' | 'nameChangeDate' | 'photoChangeDate'>>

/** The best bounds that the evidence gives. */
export function ageOf(now: Ms, oldestPhoto: Ms | undefined, settings: Settings = {}): AccountAge {
  const { registrationMonth, nameChangeDate, photoChangeDate } = settings
  const month = monthOf(registrationMonth)
  const there: readonly (readonly [AgeEvidence, Ms | undefined])[] = [
    // In the last moment of its month, at the latest.
    ['registration', month === undefined ? undefined : Math.min(now, month.end)],
    ['photo', oldestPhoto],
    ['name change', seconds(nameChangeDate)],
    ['photo change', seconds(photoChangeDate)],
  ]
  let oldest: readonly [AgeEvidence, Ms] | undefined
  for (const [evidence, at] of there) {
    if (at !== undefined && (oldest === undefined || at < oldest[1])) oldest = [evidence, at]
  }
  return {
    ...(oldest !== undefined && { atLeast: Math.max(0, now - oldest[1]), evidence: oldest[0] }),
    ...(month !== undefined && { atMost: Math.max(0, now - month.start), registered: month.name }),
  }
}

/** `MM.YYYY`, as Telegram writes it; undefined for anything else. No clock is set to the same zone everywhere: a day is given at both ends. */
function monthOf(text: string | undefined): { name: string; start: Ms; end: Ms } | undefined {
  const [, month, year] = /^(0[1-9]|1[0-2])\.(20\d\d)$/.exec(text ?? '') ?? []
  if (month === undefined || year === undefined) return undefined
  const day = 86_400_000
  const start = Date.UTC(Number(year), Number(month) - 1) - day
  const end = Date.UTC(Number(year), Number(month)) + day
  return { name: `${year}-${month}`, start, end }
}

function seconds(date: number | undefined): Ms | undefined {
  return date === undefined || date <= 0 ? undefined : date * 1000
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
