import type { ChatMember } from 'grammy/types'
import { chatKey, keySubject, userKey } from '../../core/subject.js'
import { pagesOf } from '../../storage/contract/pages.js'
import type { Mark, Marks } from '../../storage/contract/storage.js'
import type { Transition } from './transitions.js'

/** The mark of users who belong to a chat or are banned there; its value is their status. */
const rosterOf = (chat: number): string => `member@${chat}`
/** The mark of a chat whose roster is complete; it holds since when. */
export const RECONCILED = 'reconciled'

/** A user's status in a chat; undefined stands for no relation. */
export type Standing = Exclude<ChatMember['status'], 'left'>

/** The recorded members of a chat, stored as marks, so that a comparison shows what was missed. */
export class Roster {
  constructor(
    private readonly marks: Marks,
    private readonly bot: number,
    private readonly chat: number,
  ) {}

  /** When the whole roster was last updated, in milliseconds since 1970. */
  async reconciledAt(): Promise<number | undefined> {
    return (await this.marks.get(this.bot, chatKey(this.chat), RECONCILED))?.since
  }

  async reconciled(since: number): Promise<void> {
    await this.marks.put(this.bot, RECONCILED, [{ key: chatKey(this.chat), mark: { since } }])
  }

  async standingOf(user: number): Promise<Standing | undefined> {
    return standingIn(await this.marks.get(this.bot, userKey(user), rosterOf(this.chat)))
  }

  async note(user: number, standing: Standing | undefined, since: number): Promise<void> {
    const key = userKey(user)
    if (standing === undefined) await this.marks.remove(this.bot, rosterOf(this.chat), [key])
    else await this.marks.put(this.bot, rosterOf(this.chat), [{ key, mark: { since, value: standing } }])
  }

  /** Takes over the roster of the group that has become this supergroup. What is recorded here already is newer, and stays. */
  async takeOver(group: number, since: number): Promise<void> {
    const old = new Roster(this.marks, this.bot, group)
    const members: (readonly [user: number, standing: Standing])[] = []
    for await (const member of old.entries()) members.push(member)
    for (const [user, standing] of members) {
      if ((await this.standingOf(user)) === undefined) await this.note(user, standing, since)
      await old.note(user, undefined, since)
    }
    const reconciledAt = await old.reconciledAt()
    if (reconciledAt === undefined) return
    // Last: if members were still missing from a roster that is marked as complete, they would be reported as having joined.
    if ((await this.reconciledAt()) === undefined) await this.reconciled(reconciledAt)
    await this.marks.remove(this.bot, RECONCILED, [chatKey(group)])
  }

  async *entries(): AsyncGenerator<readonly [user: number, standing: Standing], void, undefined> {
    const name = rosterOf(this.chat)
    for await (const { entries } of pagesOf((from) => this.marks.scan(this.bot, name, from))) {
      for (const { key, mark } of entries) {
        const standing = standingIn(mark)
        const { kind, id } = keySubject(key)
        if (kind === 'user' && id !== undefined && standing !== undefined) yield [id, standing]
      }
    }
  }
}

/** Records transitions as they are reported by updates. */
export async function noteTransitions(
  marks: Marks,
  bot: number,
  transitions: readonly Transition[],
): Promise<void> {
  // All transitions of one update have the same result, so the last one suffices.
  const last = transitions.at(-1)
  if (last?.after === undefined || last.chat.type === 'private' || last.after.user.id === bot) return
  await new Roster(marks, bot, last.chat.id).note(last.member.id, standingOf(last.after), last.at)
}

function standingOf(member: ChatMember): Standing | undefined {
  if (member.status === 'left') return undefined
  return member.status === 'restricted' && member.is_member === false ? undefined : member.status
}

const STANDINGS: ReadonlySet<unknown> = new Set<Standing>([
  'creator',
  'administrator',
  'member',
  'restricted',
  'kicked',
])

/** Reads a status from a mark. Storages hold foreign data, so the value may be anything. */
function standingIn(mark: Mark | undefined): Standing | undefined {
  return STANDINGS.has(mark?.value) ? (mark?.value as Standing) : undefined
}
