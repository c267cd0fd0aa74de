import { isPromise, type MaybePromise } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import { later } from '../core/later.js'
import { setNewest } from '../core/maps.js'
import { chatKey, type Key, keyText } from '../core/subject.js'
import type { Services } from '../middleware/services.js'
import type { LimitBook } from '../policies/limit-book.js'
import type { StorageChange } from '../storage/contract/changes.js'
import type { Mark } from '../storage/contract/storage.js'
import type { ChatSettingsChange, ChatSettingsRegister, ChatSettingsView } from './contract.js'
import { isQuiet, SETTINGS_MARK } from './quiet.js'
import type { SettingsRegister } from './register.js'
import type { Tuning } from './settings-options.js'

const registering = later('settings', () => import('./register.js'))

/** Most chats whose settings are cached. */
const MOST_CHATS = 10_000
/** Cached settings are read again after this time, in case a change notification was lost. */
const REMEMBERED_FOR: Ms = 600_000
const PAST: Ms = Number.NEGATIVE_INFINITY

interface Remembered {
  readonly quiet: boolean
  readonly until: Ms
}

/** The settings of chats, stored as marks. The plan itself reads the marks of limits; this class reads the others. */
export class ChatSettings implements ChatSettingsRegister {
  private tuning: Tuning | undefined
  private readonly remembered = new Map<string, Remembered>()
  /** Counts change notifications. A read that was started before a change is not cached. */
  private changes = 0

  constructor(
    private readonly services: () => Services,
    private readonly book: LimitBook,
  ) {}

  /** Applies changed options. */
  turn(tuning: Tuning | undefined, { notices }: Services): void {
    this.tuning = tuning
    notices.quiet = tuning?.notices === true ? (bot, chat) => this.isQuiet(bot, chat) : undefined
    this.remembered.clear()
  }

  get tuned(): Tuning | undefined {
    return this.tuning
  }

  async of(chat: number): Promise<ChatSettingsView> {
    return (await this.register()).of(chat)
  }

  async set(chat: number, change: ChatSettingsChange): Promise<void> {
    await (await this.register()).set(chat, change)
  }

  async reset(chat: number): Promise<void> {
    await (await this.register()).reset(chat)
  }

  /** Loads the code that reads and changes settings. */
  async register(): Promise<SettingsRegister> {
    const { SettingsRegister } = await registering.load()
    return new SettingsRegister(
      this.services,
      this.book,
      () => this.tuning,
      (bot, key) => this.forget(bot, key),
    )
  }

  /**
   * Whether notices are turned off in a chat, from the cache or the storage. If the storage cannot be read, the last known value
   * holds; without one, notices are sent.
   */
  isQuiet(bot: number, chat: number): MaybePromise<boolean> {
    const key = chatKey(chat)
    const name = `${bot} ${keyText(key)}`
    const { steady, storage, failed } = this.services()
    const known = this.remembered.get(name)
    if (known !== undefined && known.until > steady()) return known.quiet
    const { changes } = this
    const remember = (mark: Mark | undefined): boolean => {
      const quiet = isQuiet(mark)
      if (changes !== this.changes) return quiet
      setNewest(this.remembered, name, { quiet, until: steady() + REMEMBERED_FOR }, MOST_CHATS)
      return quiet
    }
    const unread = (error: unknown): boolean => {
      failed(error, 'settings.notices')
      return known?.quiet ?? false
    }
    try {
      const mark = storage.marks.get(bot, key, SETTINGS_MARK)
      return isPromise(mark) ? mark.then(remember, unread) : remember(mark)
    } catch (error) {
      return unread(error)
    }
  }

  /** Handles a change in the storage, made by this or another process. */
  changed(change: StorageChange): void {
    if (change.kind === 'gap') {
      this.changes++
      for (const [name, { quiet }] of this.remembered) this.remembered.set(name, { quiet, until: PAST })
    } else if (change.kind === 'marks' && change.name === SETTINGS_MARK) {
      for (const key of change.keys) this.forget(change.bot, key)
    }
  }

  private forget(bot: number, key: Key): void {
    this.changes++
    this.remembered.delete(`${bot} ${keyText(key)}`)
  }
}
