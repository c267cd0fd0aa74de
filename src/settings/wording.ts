import { promised, unawaited } from '../core/unawaited.js'
import type { SETTING_TEXTS } from './setting-texts.js'

/**
 * A text of the menu of `/sentinel`. `title` is the heading; `user`, `chat` and `member` are the names of these limits; `limit`
 * is the line of a limit, followed by `usual` if no other limit was chosen; `noticesOn` and `noticesOff` show the state;
 * `turnOn`, `turnOff`, `useUsual` and `close` are buttons; `closed` replaces the menu; `saved`, `unchanged`, `adminsOnly`,
 * `stale` and `failed` answer a tap; `groupsOnly` answers the command in a private chat.
 *
 * @example
 * ```ts
 * import type { SettingText } from 'grammy-sentinel'
 *
 * const buttons: readonly SettingText[] = ['turnOn', 'turnOff', 'useUsual', 'close']
 * ```
 */
export type SettingText = (typeof SETTING_TEXTS)[number]

/**
 * Texts of the menu of `/sentinel` in one language. `{name}` and `{limit}` are replaced by the name and value of a limit.
 *
 * @example
 * ```ts
 * import { sentinel, type SettingsTexts } from 'grammy-sentinel'
 *
 * const german: SettingsTexts = { title: 'Einstellungen dieser Gruppe', saved: 'Gespeichert.' }
 * sentinel({ settings: { notices: true, texts: { de: german } } })
 * ```
 */
export type SettingsTexts = Readonly<Partial<Record<SettingText, string | undefined>>>

/**
 * Translates a text of the menu. Receives the language tag of the user's app, the text, and the values of its placeholders.
 * Returns undefined to fall back to the texts.
 *
 * @example
 * ```ts
 * import { sentinel, type TranslateSetting } from 'grammy-sentinel'
 *
 * const t: TranslateSetting = (language, text, { limit = '' }) =>
 *   language === 'de' && text === 'limit' ? `Nachrichten: ${limit}` : undefined
 * sentinel({ settings: { throttle: { min: '5/1m', max: '60/1m' }, t } })
 * ```
 */
export type TranslateSetting = (
  language: string | undefined,
  text: SettingText,
  values: Readonly<Record<string, string>>,
) => string | undefined

const ENGLISH: Readonly<Record<SettingText, string>> = {
  title: 'Settings of this chat',
  user: 'Messages of one person',
  chat: 'Messages of all together',
  member: 'Messages of one person here',
  limit: '{name}: {limit}',
  usual: '(as usual)',
  noticesOn: 'Notices: on',
  noticesOff: 'Notices: off',
  turnOn: 'Turn notices on',
  turnOff: 'Turn notices off',
  useUsual: 'As usual',
  close: 'Close',
  closed: 'The settings are closed.',
  saved: 'Saved.',
  unchanged: 'It is so already.',
  adminsOnly: 'Only administrators of this chat may change its settings.',
  groupsOnly: 'Groups have settings. Ask for them there.',
  stale: 'That is no longer offered. Choose again.',
  failed: 'That could not be done. Try again in a moment.',
}

const RUSSIAN: Readonly<Record<SettingText, string>> = {
  title: 'Настройки этого чата',
  user: 'Сообщения одного человека',
  chat: 'Сообщения всех вместе',
  member: 'Сообщения одного человека здесь',
  limit: '{name}: {limit}',
  usual: '(по умолчанию)',
  noticesOn: 'Уведомления: включены',
  noticesOff: 'Уведомления: выключены',
  turnOn: 'Включить уведомления',
  turnOff: 'Выключить уведомления',
  useUsual: 'По умолчанию',
  close: 'Закрыть',
  closed: 'Настройки закрыты.',
  saved: 'Сохранено.',
  unchanged: 'Так уже и есть.',
  adminsOnly: 'Менять настройки могут только администраторы этого чата.',
  groupsOnly: 'Настройки есть у групп. Откройте их там.',
  stale: 'Этого больше нет. Выберите снова.',
  failed: 'Не получилось. Попробуйте чуть позже.',
}

/** Looks up texts of the menu. Languages are kept in a Map, because the language tag comes from the update. */
export class SettingsWording {
  private readonly languages = new Map<string, SettingsTexts>([
    ['en', ENGLISH],
    ['ru', RUSSIAN],
  ])

  constructor(
    texts: Readonly<Record<string, SettingsTexts>> = {},
    private readonly translate: TranslateSetting | undefined,
    private readonly failed: (error: unknown) => void,
  ) {
    for (const [language, own] of Object.entries(texts)) {
      const tag = language.toLowerCase()
      this.languages.set(tag, { ...this.languages.get(tag), ...own })
    }
  }

  say(
    language: string | undefined,
    text: SettingText,
    values: Readonly<Record<string, string>> = {},
  ): string {
    const own = this.translated(language, text, values)
    if (own !== undefined) return own
    const tag = language?.toLowerCase() ?? 'en'
    const template =
      this.languages.get(tag)?.[text] ??
      this.languages.get(tag.split('-')[0] as string)?.[text] ??
      this.languages.get('en')?.[text] ??
      ENGLISH[text]
    const known = new Map(Object.entries(values))
    return template.replaceAll(/\{(\w+)\}/g, (whole, name: string) => known.get(name) ?? whole)
  }

  /** Calls the translation function. If it throws or returns no text, the built-in texts are used, so the menu always works. */
  private translated(
    language: string | undefined,
    text: SettingText,
    values: Readonly<Record<string, string>>,
  ): string | undefined {
    try {
      const own: unknown = this.translate?.(language, text, values)
      if (unawaited(own)) this.failed(promised('settings.t'))
      return typeof own === 'string' && own !== '' ? own : undefined
    } catch (error) {
      this.failed(error)
      return undefined
    }
  }
}
