import type { tl } from '@mtcute/core'
import type { Ms } from '../../core/duration.js'
import type { Caller } from './calls/caller.js'
import { type Profile, profileOf } from './calls/peers.js'
import { reasonOf } from './calls/refusal.js'

/**
 * Evidence for the age of an account: month of registration, oldest photo, or the last change of name or photo.
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
 * Bounds on the age of an account, with their evidence. Photos and changes prove a minimum age only, and their absence proves
 * nothing, because photos can be deleted. Only the month of registration gives a maximum age; Telegram reveals it for strangers
 * who write to a person first, but hardly ever to bots. User ids are assigned in a rough order only, and are not used.
 *
 * @example
 * ```ts
 * import type { AccountAge } from 'grammy-sentinel/mtproto'
 *
 * const isYoungerThan = (ms: number, { atMost }: AccountAge) => (atMost === undefined ? 'unknown' : atMost < ms)
 * ```
 */
export interface AccountAge {
  /** Minimum age in milliseconds; absent without evidence. */
  readonly atLeast?: Ms
  /** The evidence for `atLeast`. */
  readonly evidence?: AgeEvidence
  /** Maximum age in milliseconds; absent unless Telegram reveals the month of registration. */
  readonly atMost?: Ms
  /** Month of registration, as `YYYY-MM`. */
  readonly registered?: string
}

/**
 * A restriction of an account's visibility.
 *
 * @example
 * ```ts
 * import type { Restriction } from 'grammy-sentinel/mtproto'
 *
 * const isEverywhere = ({ platform }: Restriction): boolean => platform === 'all'
 * ```
 */
export interface Restriction {
  /** Platform, such as `all`, `ios` or `android`. */
  readonly platform: string
  /** Machine-readable reason, such as `porn` or `terms`. */
  readonly reason: string
  /** Human-readable reason. */
  readonly text: string
}

/**
 * What MTProto reveals about a user and the Bot API does not.
 *
 * @example
 * ```ts
 * import type { Dossier } from 'grammy-sentinel/mtproto'
 *
 * const isSuspect = ({ profile, unknown }: Dossier) => profile.isScam || profile.isFake || 'photos' in unknown
 * ```
 */
export interface Dossier {
  /** The user, with all active usernames. */
  readonly profile: Profile
  readonly about?: string
  readonly restrictions: readonly Restriction[]
  /** Number of chats that the user and this account have in common. */
  readonly commonChats?: number
  readonly photos?: { readonly count: number; readonly oldestAt?: Ms }
  readonly age: AccountAge
  /** Parts that could not be fetched, with Telegram's reason, such as `BOT_METHOD_INVALID`. */
  readonly unknown: Readonly<Record<string, string>>
}

/** @throws SentinelError `mtproto.refused` for a user that the account has never encountered. */
export async function dossierOf(caller: Caller, who: number | string, now: Ms): Promise<Dossier> {
  const user = await caller.user(who)
  const unknown: Record<string, string> = {}
  const [users, full, photos] = await Promise.all([
    caller.call({ _: 'users.getUsers', id: [user] }),
    known(unknown, 'full', () => caller.call({ _: 'users.getFullUser', id: user })),
    known(unknown, 'photos', () => photosOf(caller, user)),
  ])
  const [found] = users
  if (found?._ !== 'user') throw new TypeError('mtproto: Telegram returned nothing about this user')
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

/** The fields of `peerSettings` that are used. */
type Settings = Partial<Pick<tl.RawPeerSettings, 'registrationMonth' | 'nameChangeDate' | 'photoChangeDate'>>

/** Computes the tightest bounds from the evidence. */
export function ageOf(now: Ms, oldestPhoto: Ms | undefined, settings: Settings = {}): AccountAge {
  const { registrationMonth, nameChangeDate, photoChangeDate } = settings
  const month = monthOf(registrationMonth)
  const there: readonly (readonly [AgeEvidence, Ms | undefined])[] = [
    // A minimum age must assume the latest moment of the month.
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

/** Parses `MM.YYYY`; undefined for anything else. The time zone of the month is unknown, so a day is added at both ends. */
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

/** Returns undefined and notes the reason if Telegram refuses. */
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
