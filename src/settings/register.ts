import { SentinelError } from '../core/errors.js'
import { formatLimit, type Limit, type LimitInput, parseLimit } from '../core/limit.js'
import { shown } from '../core/show.js'
import { chatKey, type Key, keyText } from '../core/subject.js'
import type { Services } from '../middleware/services.js'
import { misfit, storedLimit } from '../middleware/throttle/runtime-limits.js'
import { foundLimit } from '../policies/found-limit.js'
import { type LimitBook, markOfSetting } from '../policies/limit-book.js'
import type { Mark } from '../storage/contract/storage.js'
import type { ChatSettingsChange, ChatSettingsRegister, ChatSettingsView } from './contract.js'
import { isQuiet, SETTINGS_MARK } from './quiet.js'
import { boundsText, isWithin, type Tunable, type Tuning } from './settings-options.js'

/** Who changed a setting: the key of an administrator, or `code`. */
type ChangedBy = Key | 'code'

/** Reads and changes the settings of chats, for `guard.settings` and the menu. */
export class SettingsRegister implements ChatSettingsRegister {
  constructor(
    private readonly services: () => Services,
    private readonly book: LimitBook,
    private readonly tuning: () => Tuning | undefined,
    /** Drops the cached settings of a chat. */
    private readonly forget: (bot: number, key: Key) => void,
  ) {}

  async of(chat: number): Promise<ChatSettingsView> {
    this.checkOn('settings.of')
    const [bot] = this.services().bots.all()
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
        `settings.set: there is no setting ${shown(unknown)}. Settings: limits, notices.`,
      )
    }
    const limits = Object.entries(change.limits ?? {}).map(([name, to]) => {
      const tunable = tuning.limits.get(name)
      if (tunable === undefined) throw unknownSetting(name, tuning)
      if (to === 'usual') return [tunable, undefined] as const
      const limit = within(tunable, to)
      const problem = misfit(foundLimit(this.book, name, 'settings'), limit)
      if (problem === undefined) return [tunable, limit] as const
      throw new SentinelError('limit.invalid', `settings.set.limits.${name}: ${problem}`)
    })
    const { notices } = change
    if (notices !== undefined && (typeof notices !== 'boolean' || !tuning.notices)) {
      throw new SentinelError(
        'option.invalid',
        `settings.set.notices: ${tuning.notices ? 'it must be true or false' : 'it cannot be tuned. Pass settings: { notices: true }'}.`,
      )
    }
    await this.services().forEachBot('settings', async ({ id }) => {
      for (const [tunable, to] of limits) await this.choose(id, chat, tunable, to, 'code')
      if (notices !== undefined) await this.turnNotices(id, chat, notices, 'code')
    })
  }

  async reset(chat: number): Promise<void> {
    const tuning = this.checkOn('settings.reset')
    keyOf(chat, 'settings.reset')
    await this.services().forEachBot('settings', async ({ id }) => {
      for (const tunable of tuning.limits.values()) await this.choose(id, chat, tunable, undefined, 'code')
      await this.turnNotices(id, chat, true, 'code')
    })
  }

  /** Reads the settings of a chat from the storage, so that a menu shows the current state. */
  async read(bot: number, key: Key): Promise<ChatSettingsView> {
    const marks = await this.services().storage.marks.of(bot, key)
    const limits = new Map<string, string>()
    for (const [name, tunable] of this.tuning()?.limits ?? []) {
      const limit = storedLimit(marks.get(markOfSetting(this.slotOf(name))), tunable)
      if (limit !== undefined) limits.set(name, formatLimit(limit))
    }
    return { limits, notices: !isQuiet(marks.get(SETTINGS_MARK)) }
  }

  /** Sets a limit of a chat, or restores the usual one; returns whether anything changed. */
  async choose(
    bot: number,
    chat: number,
    tunable: Tunable,
    to: Limit | undefined,
    by: ChangedBy,
  ): Promise<boolean> {
    const { storage, events, clock } = this.services()
    const slot = this.slotOf(tunable.name)
    const [key, mark] = [chatKey(chat), markOfSetting(slot)]
    const held = await storage.marks.get(bot, key, mark)
    if (spelled(storedLimit(held)) === spelled(to)) return false
    if (to === undefined) await storage.marks.remove(bot, mark, [key])
    else await storage.marks.put(bot, mark, [{ key, mark: { since: clock(), value: to } }])
    // The limit that was in force; it differs from the chosen one if the bounds have changed since.
    const before = storedLimit(held, tunable)
    if (spelled(before) === spelled(to)) return false
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

  /** Turns notices in a chat on or off; returns whether anything changed. */
  async turnNotices(bot: number, chat: number, on: boolean, by: ChangedBy): Promise<boolean> {
    const { storage, events, clock } = this.services()
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

  /** Returns the usual limit, from the plan. */
  usual(name: string): Limit {
    return foundLimit(this.book, name, 'settings').limit
  }

  private slotOf(name: string): string {
    return foundLimit(this.book, name, 'settings').slot
  }

  private checkOn(what: string): Tuning {
    const tuning = this.tuning()
    if (tuning !== undefined) return tuning
    throw new SentinelError(
      'option.invalid',
      `${what}: chats have no settings. Pass sentinel({ settings: { throttle: { min: '5/1m', max: '60/1m' } } }).`,
    )
  }
}

const NOTHING: ChatSettingsView = { limits: new Map(), notices: true }

function keyOf(chat: unknown, what: string): Key {
  if (typeof chat === 'number' && Number.isSafeInteger(chat) && chat < 0) return chatKey(chat)
  throw new SentinelError(
    'subject.invalid',
    `${what}: ${shown(chat)} is not a group. Pass its id, such as ctx.chat.id; ids of groups are negative.`,
  )
}

function within(tunable: Tunable, to: LimitInput): Limit {
  const { name } = tunable
  const limit = parseLimit(to, `settings.set.limits.${name}`)
  if (isWithin(tunable, limit)) return limit
  throw new SentinelError(
    'limit.invalid',
    `settings.set.limits.${name}: ${formatLimit(limit)} is out of bounds. Choose from ${boundsText(tunable)}.`,
  )
}

function unknownSetting(name: string, { limits }: Tuning): SentinelError {
  const names = [...limits.keys()].join(', ') || '(none)'
  return new SentinelError(
    'limit.unknown',
    `settings.set.limits: ${shown(name)} cannot be tuned. Limits that can: ${names}.`,
  )
}

function spelled(limit: Limit | undefined): string {
  return limit === undefined ? '' : formatLimit(limit)
}

function textOf(by: ChangedBy): string {
  return by === 'code' ? by : keyText(by)
}
