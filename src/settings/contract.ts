import type { LimitInput } from '../core/limit.js'

/**
 * The settings of a chat.
 *
 * @example
 * ```ts
 * import { type ChatSettingsView, sentinel } from 'grammy-sentinel'
 *
 * const guard = sentinel({ settings: { throttle: { min: '5/1m', max: '60/1m' } } })
 * const view: ChatSettingsView = await guard.settings.of(-1001234567890)
 * console.log(view.limits.get('user') ?? 'as usual')
 * ```
 */
export interface ChatSettingsView {
  /** The limits that administrators chose, by name. Limits left at their usual value are absent. */
  readonly limits: ReadonlyMap<string, string>
  /** Whether notices are sent in the chat. */
  readonly notices: boolean
}

/**
 * A change of a chat's settings. `usual` restores the usual limit.
 *
 * @example
 * ```ts
 * import { type ChatSettingsChange, sentinel } from 'grammy-sentinel'
 *
 * const calm: ChatSettingsChange = { limits: { user: '5/1m' }, notices: false }
 * const guard = sentinel({ settings: { throttle: { min: '5/1m', max: '60/1m' }, notices: true } })
 * await guard.settings.set(-1001234567890, calm)
 * ```
 */
export interface ChatSettingsChange {
  readonly limits?: Readonly<Record<string, LimitInput | 'usual'>>
  readonly notices?: boolean
}

/**
 * Reads and changes the settings of chats: `guard.settings`, if the option `settings` is given. Changes made here or in the menu
 * of `/sentinel` are kept in the storage and apply in every process that shares it.
 *
 * @example
 * ```ts
 * import { type ChatSettingsRegister, sentinel } from 'grammy-sentinel'
 *
 * const settings: ChatSettingsRegister = sentinel({ settings: { throttle: { min: '5/1m', max: '60/1m' } } }).settings
 * await settings.set(-1001234567890, { limits: { user: '10/1m' } })
 * await settings.reset(-1001234567890)
 * ```
 */
export interface ChatSettingsRegister {
  /** Returns the settings of a chat, as stored for the first bot that the sentinel has met; defaults before it has met any. */
  of(chat: number): Promise<ChatSettingsView>
  /**
   * Changes settings of a chat, within the bounds. Before the sentinel has met a bot, the change is applied to each bot it meets.
   *
   * @throws SentinelError `option.invalid` without the option `settings`, and for a setting that may not be tuned;
   * `limit.unknown`; `limit.invalid` for a limit out of bounds; `subject.invalid`.
   */
  set(chat: number, change: ChatSettingsChange): Promise<void>
  /** Restores the usual value of every setting of a chat. */
  reset(chat: number): Promise<void>
}
