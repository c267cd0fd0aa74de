/** So many joins within so long are a raid, and whoever came with it is watched for so long. */
const RAID_OF = 5
const WITHIN_MS = 10_000
const WATCHED_FOR_MS = 60_000
/** Chats and people remembered at most. */
const MOST = 10_000

/**
 * Tells raiders from newcomers: accounts that join a group all at once, and write soon after. Goes by Telegram's own
 * time, so that recorded updates are judged as they would have been.
 */
export class RaidWatch {
  private readonly joins = new Map<number, { readonly user: number; readonly at: number }[]>()
  private readonly watched = new Map<string, number>()

  /** Somebody joined a chat. */
  joined(chat: number, user: number, at: number): void {
    const recent = (this.joins.get(chat) ?? []).filter((join) => at - join.at < WITHIN_MS)
    recent.push({ user, at })
    keep(this.joins, chat, recent)
    if (recent.length < RAID_OF) return
    for (const join of recent) keep(this.watched, `${chat} ${join.user}`, at + WATCHED_FOR_MS)
  }

  /** Whether somebody who writes in a chat came with a raid. */
  came(chat: number, user: number, at: number): boolean {
    return at < (this.watched.get(`${chat} ${user}`) ?? 0)
  }
}

function keep<K, V>(map: Map<K, V>, key: K, value: V): void {
  // Written anew it is the youngest; the oldest goes when there are too many.
  map.delete(key)
  map.set(key, value)
  if (map.size > MOST) map.delete(map.keys().next().value as K)
}
