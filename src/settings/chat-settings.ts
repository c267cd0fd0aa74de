import { isPromise, type MaybePromise } from '../core/check.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { formatLimit, type Limit, type LimitInput, parseLimit } from '../core/limit.js'
import { shown } from '../core/show.js'
import { chatKey, type Key, keyText } from '../core/subject.js'
import type { House } from '../middleware/house.js'
import { storedLimit } from '../middleware/runtime-limits.js'
import { type LimitBook, markOfSetting } from '../policies/limit-book.js'
import type { StorageChange } from '../storage/changes.js'
import type { Mark } from '../storage/storage.js'
import type { Tunable, Tuning } from './settings-options.js'

/** The durable mark of a chat whose administrators have tuned anything but limits. */
export const SETTINGS_MARK = 'settings'
/** Chats whose settings are remembered at most. */
const MOST_CHATS = 10_000
/** What is remembered is read again after this, should nobody have told of a change. */
const REMEMBERED_FOR: Ms = 600_000

/**
 * What holds in a chat.
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
  /** By the names of limits: what the administrators chose. What is as usual is not among them. */
  readonly limits: ReadonlyMap<string, string>
  /** Whether notices are sent in the chat. */
  readonly notices: boolean
}

/**
 * A change of the settings of a chat; `usual` lets the usual limit hold again.
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
 * The settings of chats: `guard.settings`, with `settings: { … }`. What is changed here, or by the menu of `/sentinel`, is kept in the
 * storage and holds in every process that shares it.
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
  /** What holds in a chat, as the first bot it met knows it. */
  of(chat: number): Promise<ChatSettingsView>
  /**
   * Changes settings of a chat, within the bounds; before a bot is met, as it comes.
   *
   * @throws SentinelError `option.invalid` without `settings`, and for what may not be tuned; `limit.unknown`; `limit.invalid` for what is
   * out of bounds; `subject.invalid`.
   */
  set(chat: number, change: ChatSettingsChange): Promise<void>
  /** Lets everything in a chat be as usual. */
  reset(chat: number): Promise<void>
}

/** Who changed something: the key of an administrator, or `code`. */
export type ChangedBy = Key | 'code'

interface Remembered {
  readonly quiet: boolean
  readonly until: Ms
}

/** Settings of chats, kept as marks: the plan reads those of limits, this the rest. */
export class ChatSettings implements ChatSettingsRegister {
  private tuning: Tuning | undefined
  private readonly remembered = new Map<string, Remembered>()
  /** Counts what was told to have changed: what was read before that is not remembered. */
  private changes = 0

  constructor(
    private readonly house: () => House,
    private readonly book: LimitBook,
  ) {}

  /** Other options hold from now on. */
  turn(tuning: Tuning | undefined): void {
    this.tuning = tuning
    this.remembered.clear()
  }

  get tuned(): Tuning | undefined {
    return this.tuning
  }

  async of(chat: number): Promise<ChatSettingsView> {
    this.checkOn('settings.of')
    const [bot] = this.house().bots.all()
    const key = keyOf(chat, 'settings.of')
    return bot === undefined ? NOTHING : this.read(bot.id, key)
  }

  async set(chat: number, change: ChatSettingsChange): Promise<void> {
    const tuning = this.checkOn('settings.set')
    keyOf(chat, 'settings.set')
    const unknown = Object.keys(change).find((name) => name !== 'limits' && name !== 'notices')
    if (unknown !== undefined) {
      throw new SentinelError(
        'option.unknown',
        `settings.set: there is no setting ${shown(unknown)}. There are limits, notices.`,
      )
    }
    const limits = Object.entries(change.limits ?? {}).map(([name, to]) => {
      const tunable = tuning.limits.get(name)
      if (tunable === undefined) throw unknownSetting(name, tuning)
      return [tunable, to === 'usual' ? undefined : within(tunable, to)] as const
    })
    const { notices } = change
    if (notices !== undefined && (typeof notices !== 'boolean' || !tuning.notices)) {
      throw new SentinelError(
        'option.invalid',
        `settings.set.notices: ${tuning.notices ? 'it must be true or false' : 'not to be tuned. Say settings: { notices: true }'}.`,
      )
    }
    await this.house().forEachBot('settings', async ({ id }) => {
      for (const [tunable, to] of limits) await this.choose(id, chat, tunable, to, 'code')
      if (notices !== undefined) await this.turnNotices(id, chat, notices, 'code')
    })
  }

  async reset(chat: number): Promise<void> {
    const tuning = this.checkOn('settings.reset')
    keyOf(chat, 'settings.reset')
    await this.house().forEachBot('settings', async ({ id }) => {
      for (const tunable of tuning.limits.values()) await this.choose(id, chat, tunable, undefined, 'code')
      await this.turnNotices(id, chat, true, 'code')
    })
  }

  /** What holds in a chat, read now: a menu shows what is, not what was. */
  async read(bot: number, key: Key): Promise<ChatSettingsView> {
    const marks = await this.house().storage.marks.of(bot, key)
    const limits = new Map<string, string>()
    for (const name of this.tuning?.limits.keys() ?? []) {
      const limit = storedLimit(marks.get(markOfSetting(this.slotOf(name))))
      if (limit !== undefined) limits.set(name, formatLimit(limit))
    }
    return { limits, notices: !isQuiet(marks.get(SETTINGS_MARK)) }
  }

  /** Chooses a limit for a chat, or the usual one; whether that changed anything. */
  async choose(
    bot: number,
    chat: number,
    { name }: Tunable,
    to: Limit | undefined,
    by: ChangedBy,
  ): Promise<boolean> {
    const { storage, events, clock } = this.house()
    const slot = this.slotOf(name)
    const [key, mark] = [chatKey(chat), markOfSetting(slot)]
    const before = storedLimit(await storage.marks.get(bot, key, mark))
    if (spelled(before) === spelled(to)) return false
    if (to === undefined) await storage.marks.remove(bot, mark, [key])
    else await storage.marks.put(bot, mark, [{ key, mark: { since: clock(), value: to } }])
    events.tell('limit.changed', { bot, key, limit: slot, before, after: to, by: textOf(by) })
    events.tell('settings.changed', {
      bot,
      chat,
      setting: slot,
      before: before === undefined ? undefined : formatLimit(before),
      after: to === undefined ? undefined : formatLimit(to),
      by: textOf(by),
    })
    return true
  }

  /** Turns notices in a chat on or off; whether that changed anything. */
  async turnNotices(bot: number, chat: number, on: boolean, by: ChangedBy): Promise<boolean> {
    const { storage, events, clock } = this.house()
    const key = chatKey(chat)
    const before = !isQuiet(await storage.marks.get(bot, key, SETTINGS_MARK))
    if (before === on) return false
    if (on) await storage.marks.remove(bot, SETTINGS_MARK, [key])
    else {
      const mark: Mark = { since: clock(), value: { notices: false } }
      await storage.marks.put(bot, SETTINGS_MARK, [{ key, mark }])
    }
    this.forget(bot, key)
    events.tell('settings.changed', { bot, chat, setting: 'notices', before, after: on, by: textOf(by) })
    return true
  }

  /** A group became a supergroup: what its administrators chose goes with it. */
  async move(bot: number, from: number, to: number): Promise<void> {
    const { marks } = this.house().storage
    for (const [name, mark] of await marks.of(bot, chatKey(from))) {
      if (name !== SETTINGS_MARK && !name.startsWith(markOfSetting(''))) continue
      await marks.put(bot, name, [{ key: chatKey(to), mark }])
      await marks.remove(bot, name, [chatKey(from)])
    }
  }

  /** Whether notices are turned off in a chat: as it is remembered, or as it is read where it is not. */
  isQuiet(bot: number, chat: number): MaybePromise<boolean> {
    const key = chatKey(chat)
    const name = `${bot} ${keyText(key)}`
    const { clock, storage } = this.house()
    const known = this.remembered.get(name)
    if (known !== undefined && known.until > clock()) return known.quiet
    const { changes } = this
    const remember = (mark: Mark | undefined): boolean => {
      const quiet = isQuiet(mark)
      if (changes !== this.changes) return quiet
      this.remembered.delete(name)
      if (this.remembered.size >= MOST_CHATS) {
        this.remembered.delete(this.remembered.keys().next().value as string)
      }
      this.remembered.set(name, { quiet, until: clock() + REMEMBERED_FOR })
      return quiet
    }
    const mark = storage.marks.get(bot, key, SETTINGS_MARK)
    return isPromise(mark) ? mark.then(remember) : remember(mark)
  }

  /** Another process, or this one, changed something in the storage. */
  changed(change: StorageChange): void {
    if (change.kind === 'gap') {
      this.changes++
      this.remembered.clear()
    } else if (change.kind === 'marks' && change.name === SETTINGS_MARK) {
      for (const key of change.keys) this.forget(change.bot, key)
    }
  }

  /** The usual limit, as the plan says it. */
  usual(name: string): Limit {
    return this.book.find(name, 'settings').limit
  }

  private slotOf(name: string): string {
    return this.book.find(name, 'settings').slot
  }

  private forget(bot: number, key: Key): void {
    this.changes++
    this.remembered.delete(`${bot} ${keyText(key)}`)
  }

  private checkOn(what: string): Tuning {
    if (this.tuning !== undefined) return this.tuning
    throw new SentinelError(
      'option.invalid',
      `${what}: chats have no settings. Say sentinel({ settings: { throttle: { min: '5/1m', max: '60/1m' } } }).`,
    )
  }
}

const NOTHING: ChatSettingsView = { limits: new Map(), notices: true }

function keyOf(chat: unknown, what: string): Key {
  if (typeof chat === 'number' && Number.isSafeInteger(chat) && chat < 0) return chatKey(chat)
  throw new SentinelError(
    'subject.invalid',
    `${what}: ${shown(chat)} is no group. Pass its id, such as ctx.chat.id; those of groups are below zero.`,
  )
}

function within({ name, min, max }: Tunable, to: LimitInput): Limit {
  const limit = parseLimit(to, `settings.set.limits.${name}`)
  if (limit.per === min.per && limit.amount >= min.amount && limit.amount <= max.amount) return limit
  throw new SentinelError(
    'limit.invalid',
    `settings.set.limits.${name}: ${formatLimit(limit)} is out of bounds. Choose from ${formatLimit(min)} to ${formatLimit(max)}.`,
  )
}

function unknownSetting(name: string, { limits }: Tuning): SentinelError {
  const names = [...limits.keys()].join(', ') || 'none'
  return new SentinelError(
    'limit.unknown',
    `settings.set.limits: ${shown(name)} is not to be tuned. There are: ${names}.`,
  )
}

function isQuiet(mark: Mark | undefined): boolean {
  const value = mark?.value as { readonly notices?: unknown } | null | undefined
  return typeof value === 'object' && value !== null && value.notices === false
}

function spelled(limit: Limit | undefined): string {
  return limit === undefined ? '' : formatLimit(limit)
}

function textOf(by: ChangedBy): string {
  return by === 'code' ? by : keyText(by)
}
