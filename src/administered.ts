import type { Subject } from './core/subject.js'
import type {
  Administration,
  Blocked,
  BlockingOptions,
  BlockListExport,
} from './middleware/block/administration.js'
import type { LaterRoles } from './middleware/roles/later-roles.js'
import type { GrantOptions, RoleScope } from './middleware/roles/role-administration.js'
import type { LimitRegister } from './policies/limits.js'
import type { Overrides } from './policies/overrides.js'
import type { ChatSettings, ChatSettingsRegister } from './settings/chat-settings.js'

/**
 * What a sentinel knows of people, and changes at a word: the block list, registrations, roles. `sentinel()` makes one that does all
 * of it.
 *
 * @example
 * ```ts
 * import { type Administered, sentinel } from 'grammy-sentinel'
 *
 * const desk: Administered = sentinel()
 * await desk.block(1234567, { for: '1h', reason: 'spam' })
 * ```
 */
export abstract class Administered {
  protected abstract readonly administration: Administration
  protected abstract readonly roles: LaterRoles
  protected abstract readonly overrides: Overrides
  protected abstract readonly chatSettings: ChatSettings

  /**
   * Changes limits while the bot runs, for a user, a chat or a role, in every process that shares the storage; with
   * `limits: true`. See {@link LimitRegister}.
   */
  get limits(): LimitRegister {
    return this.overrides.limits
  }

  /** The settings of chats that their administrators may tune, with `settings: { … }`. See {@link ChatSettingsRegister}. */
  get settings(): ChatSettingsRegister {
    return this.chatSettings
  }

  /**
   * Blocks a subject, or many at once, for all bots it has met; before it has met any, for those that come.
   *
   * @throws SentinelError `subject.invalid` for what is no subject, and for the users that Telegram puts in place of
   * channels and anonymous administrators; `duration.invalid`; `option.invalid`; `option.unknown`.
   */
  block(whom: Subject | readonly Subject[], options?: BlockingOptions): Promise<void> {
    return this.administration.block(whom, options)
  }

  /** Unblocks; how many were blocked. */
  unblock(whom: Subject | readonly Subject[]): Promise<number> {
    return this.administration.unblock(whom)
  }

  /** Whether a subject is blocked now. */
  async isBlocked(whom: Subject): Promise<boolean> {
    return (await this.administration.blockOf(whom)) !== undefined
  }

  /** Since when, until when and why a subject is blocked; undefined if it is not. */
  blockOf(whom: Subject): Promise<Blocked | undefined> {
    return this.administration.blockOf(whom)
  }

  /** Everybody who is blocked, each once, in no promised order: `for await (const { subject, reason } of guard.blocked())`. */
  blocked(): AsyncGenerator<Blocked, void, undefined> {
    return this.administration.blocked()
  }

  /**
   * Puts on the allow list, which matters with `block: { only: true }`.
   *
   * @throws SentinelError `subject.invalid` for what never acts: pass users and `subject.sender(id)`.
   */
  allow(whom: Subject | readonly Subject[]): Promise<void> {
    return this.administration.allow(whom)
  }

  /** Takes from the allow list; how many were on it. */
  disallow(whom: Subject | readonly Subject[]): Promise<number> {
    return this.administration.disallow(whom)
  }

  /** The block list as plain JSON. */
  export(): Promise<BlockListExport> {
    return this.administration.export()
  }

  /**
   * Adds an exported list to this one; how many were added, or are blocked for longer now. Of two blocks of one subject the one that
   * ends later stays. What has lapsed is left out.
   *
   * @throws SentinelError `import.invalid`, naming the entry; then nothing was imported.
   */
  import(list: BlockListExport): Promise<number> {
    return this.administration.import(list)
  }

  /**
   * Registers for good, for `auth`. A registration holds for the whole bot; for one chat give a role:
   * `guard.grant(id, 'verified', { chat })`.
   *
   * @throws SentinelError `subject.invalid` for what never acts: pass users and `subject.sender(id)`.
   */
  register(whom: Subject | readonly Subject[]): Promise<void> {
    return this.administration.register(whom)
  }

  /** Takes the registration back; how many were registered. */
  unregister(whom: Subject | readonly Subject[]): Promise<number> {
    return this.administration.unregister(whom)
  }

  /** Whether a subject is registered. */
  isRegistered(whom: Subject): Promise<boolean> {
    return this.administration.isRegistered(whom)
  }

  /**
   * Gives a role: what `roles` of `auth`, `throttle` and `exempt` ask for, and what carries permissions. Everywhere, or in one chat;
   * for good, or for a time. A name of 1 to 64 characters, whose case matters.
   *
   * @throws SentinelError `option.invalid` for what is no name, and for a role that Telegram gives; `role.unknown` where the
   * option `roles` names others; `subject.invalid` also for what never acts: pass users and `subject.sender(id)`, or
   * `subject.member(…)` for one chat; `duration.invalid`, `option.unknown`.
   */
  grant(whom: Subject | readonly Subject[], role: string, options?: GrantOptions): Promise<void> {
    return this.roles.grant(whom, role, options)
  }

  /**
   * Takes a role back, where it was given; how many held it. Throws as `grant()` does, but neither for roles that there are no
   * longer nor for who never acts.
   */
  revoke(whom: Subject | readonly Subject[], role: string, scope?: RoleScope): Promise<number> {
    return this.roles.revoke(whom, role, scope)
  }

  /**
   * Whether a subject holds a role, or one that counts as it: everywhere, or also in a chat; then Telegram's own roles of that
   * chat count, too. Throws as `grant()` does.
   */
  hasRole(whom: Subject, role: string, scope?: RoleScope): Promise<boolean> {
    return this.roles.hasRole(whom, role, scope)
  }

  /** The roles that a subject holds, everywhere or also in a chat, without those that they count as. Throws `subject.invalid`. */
  rolesOf(whom: Subject, scope?: RoleScope): Promise<readonly string[]> {
    return this.roles.rolesOf(whom, scope)
  }

  /**
   * Whether a subject may do something, by its roles everywhere or also in a chat: some role allows it, and none denies it. The
   * owner and the listed users of `exempt` may do everything. False for what no role allows (a slip is told as a warning).
   *
   * @throws SentinelError `subject.invalid`, `option.invalid`, `option.unknown`.
   */
  can(whom: Subject, permission: string, scope?: RoleScope): Promise<boolean> {
    return this.roles.can(whom, permission, scope)
  }
}
