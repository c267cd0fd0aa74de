import { durationIn } from '../../core/duration.js'
import { promised, unawaited } from '../../core/unawaited.js'
import type { DenialReason, Denied } from '../../core/verdict.js'

/**
 * What is said for a reason; `{wait}` stands for how long to wait, in words of the language and rounded up. What can never pass gets the
 * text for `denied` in place of those for `limited` and `penalised` that have `{wait}`. An empty or blank text sends nothing; a checkout, which is
 * declined in words, has the built-in ones then.
 *
 * @example
 * ```ts
 * import { sentinel, type Texts } from 'grammy-sentinel'
 *
 * const german: Texts = { limited: 'Langsam! Wieder in {wait}.', blocked: '' }
 * sentinel({ notices: { texts: { de: german } } })
 * ```
 */
export type Texts = Readonly<Partial<Record<DenialReason, string>>>

/**
 * Your own translation: a language tag as the actor's app tells it, and what is to be said.
 *
 * @example
 * ```ts
 * import { formatDuration, sentinel, type Translate } from 'grammy-sentinel'
 *
 * const t: Translate = (language, { reason, retryAfterMs }) =>
 *   language === 'de' && reason === 'limited' ? `Langsam! Wieder in ${formatDuration(retryAfterMs)}.` : undefined
 * sentinel({ notices: { t } })
 * ```
 */
export type Translate = (language: string | undefined, verdict: Denied) => string | undefined

const ENGLISH: Readonly<Record<DenialReason, string>> = {
  blocked: 'You cannot use this bot.',
  unregistered: 'Please register first.',
  forbidden: 'You are not allowed to do this.',
  limited: 'Slow down, please. Try again in {wait}.',
  penalised: 'Too many requests. Try again in {wait}.',
  duplicate: '',
  repeated: 'One moment, please.',
  busy: 'Still working on what you sent before. Try again in a moment.',
  suspect: 'Your account cannot use this bot yet.',
  vetoed: 'This is not for you.',
  denied: 'This is not possible right now.',
  unavailable: 'The bot is busy. Please try again in a moment.',
}

const RUSSIAN: Readonly<Record<DenialReason, string>> = {
  blocked: 'Вы не можете пользоваться этим ботом.',
  unregistered: 'Сначала зарегистрируйтесь.',
  forbidden: 'Вам это не разрешено.',
  limited: 'Не так быстро. Попробуйте снова через {wait}.',
  penalised: 'Слишком много запросов. Попробуйте снова через {wait}.',
  duplicate: '',
  repeated: 'Минутку.',
  busy: 'Ещё обрабатываю ваш предыдущий запрос. Попробуйте чуть позже.',
  suspect: 'Ваш аккаунт пока не может пользоваться этим ботом.',
  vetoed: 'Это не для вас.',
  denied: 'Сейчас это невозможно.',
  unavailable: 'Бот занят. Попробуйте чуть позже.',
}

const BUILT_IN: ReadonlyMap<string, Texts> = new Map([
  ['en', ENGLISH],
  ['ru', RUSSIAN],
])

/**
 * Finds the words. Languages are looked up as a whole (`pt-br`), then by their first part (`pt`), then in English;
 * in a Map, since the tag comes from the update.
 */
export class Wording {
  private readonly languages = new Map(BUILT_IN)

  constructor(
    texts: Readonly<Record<string, Texts>> = {},
    private readonly translate?: Translate | undefined,
    private readonly failed: (error: unknown) => void = () => undefined,
  ) {
    for (const [language, own] of Object.entries(texts)) {
      const tag = language.toLowerCase()
      this.languages.set(tag, { ...this.languages.get(tag), ...own })
    }
  }

  /**
   * Plain text, not yet escaped.
   *
   * @param must An empty text gives way to what is built in.
   */
  say(language: string | undefined, verdict: Denied, must = false): string {
    const own = this.translated(language, verdict) ?? within(this.languages, language, verdict)
    return must && own.trim() === '' ? within(BUILT_IN, language, verdict) : own
  }

  /** A translation that throws, or is none, must stop nobody's update. */
  private translated(language: string | undefined, verdict: Denied): string | undefined {
    try {
      const own: unknown = this.translate?.(language, verdict)
      if (unawaited(own)) this.failed(promised('notices.t'))
      return typeof own === 'string' ? own : undefined
    } catch (error) {
      this.failed(error)
      return undefined
    }
  }
}

function within(
  languages: ReadonlyMap<string, Texts>,
  language: string | undefined,
  { reason, retryAfterMs }: Pick<Denied, 'reason' | 'retryAfterMs'>,
): string {
  const tag = language?.toLowerCase() ?? 'en'
  for (const spoken of [tag, tag.split('-')[0] as string, 'en']) {
    const template = languages.get(spoken)?.[reason]
    if (template === undefined) continue
    const isVain = retryAfterMs === Number.POSITIVE_INFINITY && WAITS.has(reason)
    // Nobody is asked to come back who would never get through.
    if (isVain && template.includes('{wait}'))
      return within(languages, language, { reason: 'denied', retryAfterMs })
    return template.replaceAll('{wait}', () => durationIn(spoken, retryAfterMs))
  }
  return ENGLISH[reason]
}

const WAITS: ReadonlySet<DenialReason> = new Set(['limited', 'penalised'])
