import { randomBytes } from 'node:crypto'
import type { BotCommand, ChatAdministratorRights, MenuButton, User, UserFromGetMe } from 'grammy/types'
import { SentinelError } from '../../core/errors.js'
import { UpdateQueue } from './updates.js'

export interface PersonAccount {
  readonly kind: 'person'
  readonly id: number
  readonly user: User
}

export interface BotAccount {
  readonly kind: 'bot'
  readonly id: number
  readonly user: User
  readonly me: UserFromGetMe
  readonly token: string
  readonly queue: UpdateQueue
  /** Commands by scope and language. */
  readonly commands: Map<string, readonly BotCommand[]>
  readonly settings: BotSettings
  /** Whether the bot is notified which of its inline results was picked. */
  readonly hasInlineFeedback: boolean
  /** In whole milliseconds; `close` is refused for ten minutes after this time. */
  launchedAt: number
  /** Time until which a bot that has logged out is refused. */
  loggedOutUntil: number
}

/** Settings that a bot makes for itself. */
interface BotSettings {
  /** By kind of text and language. */
  readonly texts: Map<string, string>
  readonly defaultRights: Map<'supergroup' | 'channel', ChatAdministratorRights>
  /** By person id; `undefined` is the key of the default. */
  readonly menuButtons: Map<number | undefined, MenuButton>
}

export type Account = PersonAccount | BotAccount

/** Accounts used by Telegram itself. Many senders share them, so they do not identify anybody. */
export const TELEGRAM_USER: User = { id: 777_000, is_bot: false, first_name: 'Telegram' }
export const GROUP_ANONYMOUS_BOT: User = {
  id: 1_087_968_824,
  is_bot: true,
  first_name: 'Group',
  username: 'GroupAnonymousBot',
}
export const CHANNEL_BOT: User = {
  id: 136_817_688,
  is_bot: true,
  first_name: 'Channel',
  username: 'Channel_Bot',
}
const RESERVED = new Set([TELEGRAM_USER.id, GROUP_ANONYMOUS_BOT.id, CHANNEL_BOT.id])

const USERNAME = /^[a-z]\w{2,31}$/i

interface NewPerson {
  readonly id?: number | undefined
  readonly firstName: string
  readonly lastName?: string | undefined
  readonly username?: string | undefined
  readonly languageCode?: string | undefined
  readonly isPremium?: boolean | undefined
}

interface NewBot {
  readonly id?: number | undefined
  readonly username: string
  readonly firstName?: string | undefined
  readonly inline?: boolean | undefined
  readonly joinRequestQueries?: boolean | undefined
  readonly privacy?: boolean | undefined
  readonly inlineFeedback?: boolean | undefined
}

export class Accounts {
  readonly #byId = new Map<number, Account>()
  readonly #byToken = new Map<string, BotAccount>()
  readonly #usernames = new Set<string>()
  #nextPerson = 5_000_001
  #nextBot = 7_000_000_001

  constructor(private readonly now: () => number) {}

  addPerson(options: NewPerson): PersonAccount {
    if (typeof options.firstName !== 'string' || options.firstName === '')
      throw new SentinelError('telegram.invalid', 'createUser: firstName is empty. Give the user a name.')
    const id = this.#claimId(options.id, 'createUser')
    this.claimUsername(options.username, 'createUser')
    const user: User = {
      id,
      is_bot: false,
      first_name: options.firstName,
      ...(options.lastName !== undefined && { last_name: options.lastName }),
      ...(options.username !== undefined && { username: options.username }),
      ...(options.languageCode !== undefined && { language_code: options.languageCode }),
      ...(options.isPremium === true && { is_premium: true as const }),
    }
    const person: PersonAccount = { kind: 'person', id, user }
    this.#byId.set(id, person)
    return person
  }

  addBot(options: NewBot): BotAccount {
    if (!options.username.toLowerCase().endsWith('bot'))
      throw new SentinelError(
        'telegram.invalid',
        `createBot: username ${JSON.stringify(options.username)} does not end in "bot", as Telegram demands.`,
      )
    const id = this.#claimId(options.id, 'createBot', true)
    this.claimUsername(options.username, 'createBot')
    const user: User = {
      id,
      is_bot: true,
      first_name: options.firstName ?? options.username,
      username: options.username,
    }
    const bot: BotAccount = {
      kind: 'bot',
      id,
      user,
      me: {
        ...user,
        is_bot: true,
        username: options.username,
        can_join_groups: true,
        can_read_all_group_messages: options.privacy !== true,
        supports_guest_queries: false,
        supports_inline_queries: options.inline ?? true,
        can_connect_to_business: false,
        has_main_web_app: false,
        has_topics_enabled: false,
        allows_users_to_create_topics: false,
        can_manage_bots: false,
        supports_join_request_queries: options.joinRequestQueries ?? false,
      },
      token: `${id}:${randomBytes(26).toString('base64url').slice(0, 35)}`,
      queue: new UpdateQueue(this.now),
      commands: new Map(),
      settings: { texts: new Map(), defaultRights: new Map(), menuButtons: new Map() },
      hasInlineFeedback: options.inlineFeedback ?? true,
      launchedAt: this.now(),
      loggedOutUntil: 0,
    }
    this.#byId.set(id, bot)
    this.#byToken.set(bot.token, bot)
    return bot
  }

  find(id: number): Account | undefined {
    return this.#byId.get(id)
  }

  byUsername(username: string): Account | undefined {
    const wanted = username.toLowerCase()
    for (const account of this.#byId.values()) {
      if (account.user.username?.toLowerCase() === wanted) return account
    }
    return undefined
  }

  botByToken(token: string): BotAccount | undefined {
    return this.#byToken.get(token)
  }

  bots(): readonly BotAccount[] {
    return [...this.#byToken.values()]
  }

  #claimId(wanted: number | undefined, what: string, isBot = false): number {
    if (wanted === undefined) {
      let id = isBot ? this.#nextBot++ : this.#nextPerson++
      while (this.#byId.has(id)) id = isBot ? this.#nextBot++ : this.#nextPerson++
      return id
    }
    if (!Number.isSafeInteger(wanted) || wanted <= 0)
      throw new SentinelError('telegram.invalid', `${what}: id ${wanted} is not a positive whole number.`)
    if (this.#byId.has(wanted) || RESERVED.has(wanted))
      throw new SentinelError(
        'telegram.invalid',
        `${what}: id ${wanted} is taken. Choose another, or leave it out.`,
      )
    return wanted
  }

  /** Reserves a username; users, groups and channels share one namespace. */
  claimUsername(username: string | undefined, what: string): void {
    if (username === undefined) return
    if (!USERNAME.test(username))
      throw new SentinelError(
        'telegram.invalid',
        `${what}: username ${JSON.stringify(username)} is not 3-32 letters, digits and underscores (write it without @).`,
      )
    const key = username.toLowerCase()
    if (this.#usernames.has(key))
      throw new SentinelError('telegram.invalid', `${what}: username @${username} is taken. Choose another.`)
    this.#usernames.add(key)
  }
}
