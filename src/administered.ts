import type { Subject } from './core/subject.js'
import type { Administration, BlockingOptions } from './middleware/block/administration.js'
import type { Blocked, BlockListExport } from './middleware/block/blocked.js'
import type { LaterRoles } from './middleware/roles/later-roles.js'
import type { GrantOptions, RoleScope } from './middleware/roles/role-administration.js'
import type { LimitRegister } from './policies/limits.js'
import type { Overrides } from './policies/overrides.js'
import type { ChatSettings } from './settings/chat-settings.js'
import type { ChatSettingsRegister } from './settings/contract.js'

/**
 * What a sentinel knows of people and lets you change: the block list, the allow list, registrations and roles. The base class of
 * the object that `sentinel()` returns.
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
   * Changes limits at run time for a user, a chat or a role, in every process that shares the storage. Needs the option
   * `limits: true`. See {@link LimitRegister}.
   */
  get limits(): LimitRegister {
    return this.overrides.limits
  }

  /** The settings that chat administrators may tune, with the option `settings: { … }`. See {@link ChatSettingsRegister}. */
  get settings(): ChatSettingsRegister {
    return this.chatSettings
  }

  /**
   * Blocks one subject or many for all bots this sentinel has met; until it has met one, for the bots it meets later.
   *
   * @throws SentinelError `subject.invalid` for an invalid subject, and for the stand-in users that Telegram sends in place of
   * channels and anonymous administrators; `duration.invalid`; `option.invalid`; `option.unknown`.
   */
  block(whom: Subject | readonly Subject[], options?: BlockingOptions): Promise<void> {
    return this.administration.block(whom, options)
  }

  /** Unblocks subjects. Returns how many of them were blocked. */
  unblock(whom: Subject | readonly Subject[]): Promise<number> {
    return this.administration.unblock(whom)
  }

  /** Tells whether a subject is blocked now. */
  async isBlocked(whom: Subject): Promise<boolean> {
    return (await this.administration.blockOf(whom)) !== undefined
  }

  /** Returns since when, until when and why a subject is blocked; undefined if it is not. */
  blockOf(whom: Subject): Promise<Blocked | undefined> {
    return this.administration.blockOf(whom)
  }

  /** Lists every blocked subject once, in no particular order: `for await (const { subject, reason } of guard.blocked())`. */
  blocked(): AsyncGenerator<Blocked, void, undefined> {
    return this.administration.blocked()
  }

  /**
   * Adds subjects to the allow list, which matters with `block: { only: true }`.
   *
   * @throws SentinelError `subject.invalid` for subjects that never act: pass users and `subject.sender(id)`.
   */
  allow(whom: Subject | readonly Subject[]): Promise<void> {
    return this.administration.allow(whom)
  }

  /** Removes subjects from the allow list. Returns how many of them were on it. */
  disallow(whom: Subject | readonly Subject[]): Promise<number> {
    return this.administration.disallow(whom)
  }

  /** Returns the block list as plain JSON. */
  export(): Promise<BlockListExport> {
    return this.administration.export()
  }

  /**
   * Merges an exported list into this one. Returns how many subjects were added or are now blocked for longer. If both lists have
   * a subject, the block that ends later wins. Expired entries are skipped.
   *
   * @throws SentinelError `import.invalid`, naming the entry; nothing is imported then.
   */
  import(list: BlockListExport): Promise<number> {
    return this.administration.import(list)
  }

  /**
   * Registers subjects permanently, for `auth`. A registration holds for the whole bot; for a single chat grant a role instead:
   * `guard.grant(id, 'verified', { chat })`.
   *
   * @throws SentinelError `subject.invalid` for subjects that never act: pass users and `subject.sender(id)`.
   */
  register(whom: Subject | readonly Subject[]): Promise<void> {
    return this.administration.register(whom)
  }

  /** Removes registrations. Returns how many of the subjects were registered. */
  unregister(whom: Subject | readonly Subject[]): Promise<number> {
    return this.administration.unregister(whom)
  }

  /** Tells whether a subject is registered. */
  isRegistered(whom: Subject): Promise<boolean> {
    return this.administration.isRegistered(whom)
  }

  /**
   * Grants a role, which `roles` of `auth`, `throttle` and `exempt` refer to and which carries permissions: everywhere or in one
   * chat, permanently or for a time. A role name has 1 to 64 characters and is case-sensitive.
   *
   * @throws SentinelError `option.invalid` for an invalid name and for a role that Telegram assigns; `role.unknown` if the option
   * `roles` does not define the role; `subject.invalid` also for subjects that never act: pass users and `subject.sender(id)`, or
   * `subject.member(…)` for one chat; `duration.invalid`, `option.unknown`.
   */
  grant(whom: Subject | readonly Subject[], role: string, options?: GrantOptions): Promise<void> {
    return this.roles.grant(whom, role, options)
  }

  /**
   * Revokes a role where it was granted. Returns how many of the subjects held it. Throws as `grant()` does, except that roles
   * which are no longer defined and subjects that never act are accepted.
   */
  revoke(whom: Subject | readonly Subject[], role: string, scope?: RoleScope): Promise<number> {
    return this.roles.revoke(whom, role, scope)
  }

  /**
   * Tells whether a subject holds a role, or a role that extends it. Looks at roles granted everywhere and, given a chat, also at
   * those of that chat, Telegram's own roles included. Throws as `grant()` does.
   */
  hasRole(whom: Subject, role: string, scope?: RoleScope): Promise<boolean> {
    return this.roles.hasRole(whom, role, scope)
  }

  /** Returns the roles that a subject holds, everywhere or also in a chat, without inherited ones. Throws `subject.invalid`. */
  rolesOf(whom: Subject, scope?: RoleScope): Promise<readonly string[]> {
    return this.roles.rolesOf(whom, scope)
  }

  /**
   * Tells whether a subject has a permission by its roles, everywhere or also in a chat: some role allows it and none denies it.
   * The owner and the users listed in `exempt` have every permission. False if no role allows it; a likely typing error causes a
   * warning.
   *
   * @throws SentinelError `subject.invalid`, `option.invalid`, `option.unknown`.
   */
  can(whom: Subject, permission: string, scope?: RoleScope): Promise<boolean> {
    return this.roles.can(whom, permission, scope)
  }
}
