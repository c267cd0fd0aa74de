import { durationIn } from '../../core/duration.js'
import { promised, unawaited } from '../../core/unawaited.js'
import type { DenialReason, Denied } from '../../core/verdict.js'

/**
 * The notices by reason. `{wait}` is replaced by the waiting time, in words of the language and rounded up. If waiting cannot
 * help, texts for `limited` and `penalised` with `{wait}` are replaced by the text for `denied`. An empty or blank text sends
 * nothing; only a checkout, which must be declined with words, then uses the built-in text.
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
 * Your own translation: receives a language tag as the actor's app reports it, and the verdict. `{wait}` in what it returns is
 * replaced as in {@link Texts}, in the language of that tag. Undefined uses the `texts`: return it for languages that you have no
 * texts of.
 *
 * @example
 * ```ts
 * import { sentinel, type Translate } from 'grammy-sentinel'
 *
 * const t: Translate = (language, { reason }) =>
 *   language === 'de' && reason === 'limited' ? 'Langsam! Wieder in {wait}.' : undefined
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

/** All reasons. */
export const REASONS = Object.keys(ENGLISH) as DenialReason[]

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
 * Finds the text of a notice. Languages are looked up as a whole (`pt-br`), then by their first part (`pt`), then in English.
 * The texts are in a Map because the language tag comes from the update.
 */
export class Wording {
  private readonly languages = new Map(BUILT_IN)

  constructor(
    texts: Readonly<Record<string, Texts>> = {},
    private readonly translate: Translate | undefined,
    private readonly failed: (error: unknown) => void,
  ) {
    for (const [language, own] of Object.entries(texts)) {
      const tag = language.toLowerCase()
      this.languages.set(tag, { ...this.languages.get(tag), ...own })
    }
  }

  /**
   * Returns plain text, not yet escaped.
   *
   * @param must Whether an empty text is replaced by the built-in one.
   */
  say(language: string | undefined, verdict: Denied, must: boolean): string {
    const own =
      filled(this.translated(language, verdict), language ?? 'en', verdict) ??
      within(this.languages, language, verdict)
    return must && own.trim() === '' ? within(BUILT_IN, language, verdict) : own
  }

  /** Calls the developer's translation; if it throws or returns anything but a text, it is ignored. */
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

type Told = Pick<Denied, 'reason' | 'retryAfterMs'>

function within(
  languages: ReadonlyMap<string, Texts>,
  language: string | undefined,
  { reason, retryAfterMs }: Told,
): string {
  const tag = language?.toLowerCase() ?? 'en'
  for (const spoken of [tag, tag.split('-')[0] as string, 'en']) {
    const template = languages.get(spoken)?.[reason]
    if (template === undefined) continue
    return (
      filled(template, spoken, { reason, retryAfterMs }) ??
      within(languages, language, { reason: 'denied', retryAfterMs })
    )
  }
  return ENGLISH[reason]
}

/** Puts the waiting time into a text. Undefined if it asks an actor to come back who will never get through. */
function filled(
  template: string | undefined,
  language: string,
  { reason, retryAfterMs }: Told,
): string | undefined {
  const isVain = retryAfterMs === Number.POSITIVE_INFINITY && WAITS.has(reason)
  if (isVain && template?.includes('{wait}') === true) return undefined
  return template?.replaceAll(/\{wait\}\.?/g, (found) => {
    const wait = durationIn(language, retryAfterMs)
    // An abbreviated unit, such as the Russian "дн.", already ends the sentence.
    return found === '{wait}' || wait.endsWith('.') ? wait : `${wait}.`
  })
}

const WAITS: ReadonlySet<DenialReason> = new Set(['limited', 'penalised'])
