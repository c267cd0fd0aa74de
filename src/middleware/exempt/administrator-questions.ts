import type { Api } from 'grammy'
import type { ChatMemberAdministrator, ChatMemberOwner } from 'grammy/types'
import type { Clock, Timers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { inTime } from '../../core/in-time.js'
import { CHAT_ADMINISTRATOR, CHAT_CREATOR, CHAT_RIGHTS } from '../../core/roles.js'
import type { Storage } from '../../storage/contract/storage.js'
import { type AdministratorAnswer, FAILURE_FOR } from './administrator-answer.js'
import { forgetChanged, type RememberedAdministrators } from './administrator-changes.js'

/** How long Telegram's answer is used. An update about a promotion invalidates it earlier. */
const BELIEVED_FOR: Ms = 600_000
/** The longest an update waits for Telegram's answer: under polling the bot handles nothing else meanwhile. */
const PATIENCE: Ms = 2000

const NOBODY: ReadonlyMap<number, readonly string[]> = new Map()
const OF_CREATORS: readonly string[] = Object.freeze([
  CHAT_CREATOR,
  CHAT_ADMINISTRATOR,
  ...CHAT_RIGHTS.map((right) => `chat:${right}`),
])

/** Asks Telegram for the administrators of chats. Loaded with the first question. */
export class AdministratorQuestions {
  /** Unanswered requests. When a chat is forgotten, its request is removed: the answer may predate the change. */
  readonly open = new Map<string, { isLate: boolean }>()
  /** Stops watching the storage. Undefined while it is not watched. */
  private watching: Promise<(() => void) | undefined> | undefined

  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly failed: (error: unknown) => void,
    private readonly storage: Pick<Storage, 'watch'>,
    private readonly remembered: RememberedAdministrators & {
      remember(name: string, answer: AdministratorAnswer): void
    },
  ) {}

  /** Never rejects: a failure is reported, and counts as an answer without administrators. */
  async ask(name: string, chat: number, api: Api): Promise<AdministratorAnswer> {
    // The previous request is still unanswered; another one would most likely hang as well.
    if (this.open.get(name)?.isLate) return this.nobody()
    const request = { isLate: false }
    this.open.set(name, request)
    const told = this.told(chat, api)
    // Keeps a late answer unless the chat was forgotten meanwhile. A late failure is ignored: the time-out has been reported.
    const settled = (answer?: AdministratorAnswer): void => {
      if (this.open.get(name) !== request) return
      this.open.delete(name)
      if (request.isLate && answer !== undefined) this.remembered.remember(name, answer)
    }
    told.then(settled, () => settled())
    try {
      return await inTime(told, PATIENCE, this.timers, tooLate)
    } catch (error) {
      this.failed(error)
      // It is no longer awaited.
      request.isLate = true
      return this.nobody()
    }
  }

  /** Stops watching the storage, without waiting: it may hang. */
  close(): void {
    this.watching?.then((stop) => stop?.())
  }

  private async watch(): Promise<(() => void) | undefined> {
    try {
      return await forgetChanged(this.storage, this.remembered)
    } catch (error) {
      this.watching = undefined
      this.failed(error)
      return undefined
    }
  }

  private nobody(): AdministratorAnswer {
    return { roles: NOBODY, until: this.clock() + FAILURE_FOR }
  }

  private async told(chat: number, api: Api): Promise<AdministratorAnswer> {
    // From the first question on, since until then there is nothing to forget.
    this.watching ??= this.watch()
    const members = await api.getChatAdministrators(chat)
    const roles = new Map(members.map((member) => [member.user.id, rolesOf(member)]))
    return { roles, until: this.clock() + BELIEVED_FOR }
  }
}

function tooLate(): SentinelError {
  return new SentinelError('callback.timeout', `getChatAdministrators: no answer within ${PATIENCE} ms.`)
}

/** Returns a member's roles. The creator has every right, although Telegram lists none. */
function rolesOf(member: ChatMemberAdministrator | ChatMemberOwner): readonly string[] {
  if (member.status === 'creator') return OF_CREATORS
  const rights = CHAT_RIGHTS.filter((right) => member[right] === true)
  return [CHAT_ADMINISTRATOR, ...rights.map((right) => `chat:${right}`)]
}
