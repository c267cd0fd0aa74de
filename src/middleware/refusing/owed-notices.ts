import type { Ms } from '../../core/duration.js'
import type { Facts } from '../../core/facts.js'
import { keyText } from '../../core/subject.js'

/** Longer than notices are usually apart. */
const OWED_FOR: Ms = 86_400_000
/** Of more than so many, who has waited longest is owed nothing any more. */
const MOST_OWED = 10_000

/**
 * Notices that came due where nothing may be said. Storages count them as given, so they are given the next time the same limit
 * refuses the same person and something may be said. Each worker knows its own.
 */
export class OwedNotices {
  private readonly until = new Map<string, Ms>()

  owe(bot: number, facts: Facts, guard: string, limit: string, now: Ms): void {
    const name = nameOf(bot, facts, guard, limit)
    this.until.delete(name)
    if (this.until.size >= MOST_OWED) this.until.delete(this.until.keys().next().value as string)
    this.until.set(name, now + OWED_FOR)
  }

  owes(bot: number, facts: Facts, guard: string, limit: string, now: Ms): boolean {
    // Mostly nothing is owed. Then a flood should not cost the making of names.
    if (this.until.size === 0) return false
    const until = this.until.get(nameOf(bot, facts, guard, limit))
    return until !== undefined && now < until
  }

  given(bot: number, facts: Facts, guard: string, limit: string): void {
    if (this.until.size > 0) this.until.delete(nameOf(bot, facts, guard, limit))
  }
}

function nameOf(bot: number, { actor }: Facts, guard: string, limit: string): string {
  return `${bot} ${actor === undefined ? '' : keyText(actor)} ${guard}.${limit}`
}
