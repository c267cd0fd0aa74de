import type { Clock } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { chatKey, keySubject } from '../../core/subject.js'
import type { Storage } from '../../storage/storage.js'

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

/** Tells other processes, in the background, that the administrators of a chat have changed. */
export function tellAdministratorsChanged(services: Telling, bot: number, chat: number): void {
  // Without this, or while the storage is down, the others believe for ten minutes what Telegram told them before.
  services.background.run('administrators', async () => {
    const since = services.clock()
    const mark = { since, until: since + MARKED_FOR }
    await services.storage.marks.put(bot, CHANGED, [{ key: chatKey(chat), mark }])
  })
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
