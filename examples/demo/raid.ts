/** This many joins within WITHIN_MS are a raid; its accounts are then watched for some time. */
const RAID_OF = 5
const WITHIN_MS = 10_000
const WATCHED_FOR_MS = 60_000
/** Most chats and accounts to remember. */
const MOST = 10_000

/**
 * Detects raids: accounts that join a group at about the same time and write soon after. Uses the times in Telegram's updates, so
 * that recorded updates are judged as they were at the time.
 */
export class RaidWatch {
  private readonly joins = new Map<number, { readonly user: number; readonly at: number }[]>()
  private readonly watched = new Map<string, number>()

  /** Records that a user joined a chat. */
  joined(chat: number, user: number, at: number): void {
    const recent = (this.joins.get(chat) ?? []).filter((join) => at - join.at < WITHIN_MS)
    recent.push({ user, at })
    keep(this.joins, chat, recent)
    if (recent.length < RAID_OF) return
    for (const join of recent) keep(this.watched, `${chat} ${join.user}`, at + WATCHED_FOR_MS)
  }

  /** Whether a user who writes in a chat came with a raid. */
  came(chat: number, user: number, at: number): boolean {
    return at < (this.watched.get(`${chat} ${user}`) ?? 0)
  }
}

function keep<K, V>(map: Map<K, V>, key: K, value: V): void {
  // Deleting first makes it the newest entry; the oldest entry is dropped when there are too many.
  map.delete(key)
  map.set(key, value)
  if (map.size > MOST) map.delete(map.keys().next().value as K)
}
