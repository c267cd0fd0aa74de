import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { getOrInsert } from '../../core/maps.js'
import { Heartbeat } from '../../core/request-bound.js'
import { chatKey, keySubject } from '../../core/subject.js'
import type { Storage } from '../../storage/contract/storage.js'

/** The mark of a chat whose administrators have just changed. Nobody reads it: the storage reports that it was put. */
const CHANGED = 'administrators.changed'
const MARKED_FOR: Ms = 60_000

/** What a process remembers of administrators. */
export interface RememberedAdministrators {
  forget(bot: number, chat: number): void
  forgetAll(): void
}

/** The services that telling other processes takes. */
interface Telling {
  readonly storage: Storage
  readonly clock: Clock
  readonly background: { run(what: string, work: () => Promise<unknown>): boolean }
}

/** The chats whose change other processes have not been told yet, by bot. */
class Untold {
  private readonly chats = new Map<number, Set<number>>()
  private isTelling = false
  private readonly heartbeat = new Heartbeat()

  constructor(private readonly services: Telling) {}

  add(bot: number, chat: number): void {
    getOrInsert(this.chats, bot, newSet).add(chat)
    if (this.isTelling && !this.heartbeat.isLost) return
    this.heartbeat.beat()
    // One task for all, as a crowd of them would find no place. Chats that find none are told with the next change.
    this.isTelling = true
    if (!this.services.background.run('administrators', () => this.tell())) this.isTelling = false
  }

  private async tell(): Promise<void> {
    const { storage, clock } = this.services
    try {
      for (const [bot, chats] of this.chats) {
        this.chats.delete(bot)
        const since = clock()
        const mark = { since, until: since + MARKED_FOR }
        await storage.marks.put(
          bot,
          CHANGED,
          [...chats].map((chat) => ({ key: chatKey(chat), mark })),
        )
      }
    } finally {
      this.isTelling = false
    }
  }
}

const newSet = (): Set<number> => new Set()
const untold = new WeakMap<Telling, Untold>()

/** Tells other processes, in the background, that the administrators of a chat have changed. */
export function tellAdministratorsChanged(services: Telling, bot: number, chat: number): void {
  // Without this, or while the storage is down, the others believe for ten minutes what Telegram told them before.
  getOrInsert(untold, services, () => new Untold(services)).add(bot, chat)
}

/** Forgets what other processes report as changed. Returns a function that stops this. */
export async function forgetChanged(
  storage: Pick<Storage, 'watch'>,
  remembered: RememberedAdministrators,
): Promise<() => void> {
  return storage.watch((change) => {
    // Changes may have been missed. While none are received, nothing is known, and Telegram is not asked each time.
    if (change.kind === 'gap' && change.lost === undefined) remembered.forgetAll()
    if (change.kind !== 'marks' || change.name !== CHANGED) return
    for (const key of change.keys) remembered.forget(change.bot, keySubject(key).id ?? 0)
  })
}
