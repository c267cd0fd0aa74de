import { z } from 'zod'
import { SentinelError } from '../core/errors.js'
import { capacityOf, formatLimit, type Limit, type LimitInput, MOST_AMOUNT } from '../core/limit.js'
import { parts } from '../middleware/options/forms.js'
import { limit as limitSchema, option, parseOptions, prompt } from '../middleware/options/schema.js'
import { SETTING_TEXTS } from './setting-texts.js'
import type { SettingsTexts, TranslateSetting } from './wording.js'

/** Most buttons of one limit. */
const MOST_CHOICES = 8
/** Most buttons of one limit whose choices are computed from its bounds. */
const FOUND_CHOICES = 6
/** Most buttons of a message. Telegram sends none that has more. */
const MOST_BUTTONS = 100

const bounds = z.strictObject({
  min: limitSchema.meta({ description: 'The lowest limit that administrators may choose.' }),
  max: limitSchema.meta({
    description: 'The highest limit that administrators may choose, per the same time span.',
  }),
  choices: option(
    z
      .array(limitSchema)
      .min(1, 'must name at least one')
      .max(MOST_CHOICES, `must name ${MOST_CHOICES} at most`)
      .readonly(),
    'The choices offered. Default: round numbers between min and max.',
  ),
})

const words = z.string().min(1, 'must say something').optional()

export const settingsOptions = z
  .strictObject({
    throttle: option(bounds, 'Bounds for the limit of users. Short for limits.user.'),
    limits: option(z.record(z.string(), bounds), 'Bounds for limits of throttle or of policies, by name.'),
    notices: option(z.boolean(), 'Whether administrators may turn notices off in their chat.', false),
    command: option(
      z.string().regex(/^[a-z0-9_]{1,32}$/, 'must be a command such as "sentinel", without its slash'),
      'The command that shows the menu.',
      'sentinel',
    ),
    texts: option(
      z.record(
        z
          .string()
          .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$/, 'must be a language tag such as "de" or "pt-br"'),
        z.strictObject(
          Object.fromEntries(SETTING_TEXTS.map((text) => [text, words])) as Record<
            (typeof SETTING_TEXTS)[number],
            typeof words
          >,
        ),
      ),
      'Texts of the menu by language. {name} and {limit} stand for the name and value of a limit.',
    ),
    t: option(
      prompt<TranslateSetting>(),
      'A translation function for the menu. If it returns undefined, texts are used. In code only.',
    ),
  })
  .register(parts, { words: 'an object such as { notices: true }' })

/**
 * The bounds within which the administrators of a chat may choose a limit. Both must have the same span.
 *
 * @example
 * ```ts
 * import { type SettingBounds, sentinel } from 'grammy-sentinel'
 *
 * const bounds: SettingBounds = { min: '5/1m', max: '60/1m', choices: ['5/1m', '20/1m', '60/1m'] }
 * sentinel({ settings: { throttle: bounds } })
 * ```
 */
export interface SettingBounds {
  /** The smallest limit they may choose. */
  readonly min: LimitInput
  /** The largest limit, per the same span. */
  readonly max: LimitInput
  /** The limits they may choose from, 8 at most. @default up to six: `min`, `max` and round numbers between them */
  readonly choices?: readonly LimitInput[]
}

/**
 * What the administrators of a chat may tune for it, and how: see `settings` of {@link SentinelOptions}.
 *
 * @example
 * ```ts
 * import { type SettingsOptions, sentinel } from 'grammy-sentinel'
 *
 * const settings: SettingsOptions = { throttle: { min: '5/1m', max: '60/1m' }, notices: true, command: 'limits' }
 * sentinel({ throttle: '20/1m', settings })
 * ```
 */
export interface SettingsOptions {
  /** Bounds for the limit of users: short for `limits: { user: … }`. */
  readonly throttle?: SettingBounds | undefined
  /** Bounds for limits by name: those of `throttle`, or of policies. */
  readonly limits?: Readonly<Record<string, SettingBounds>> | undefined
  /** Whether administrators may turn off notices in their chat. @default false */
  readonly notices?: boolean | undefined
  /** The command that shows the menu, without its slash. @default 'sentinel' */
  readonly command?: string | undefined
  /** Texts by language, such as `{ de: { saved: 'Gespeichert.' } }`. @default English and Russian */
  readonly texts?: Readonly<Record<string, SettingsTexts>> | undefined
  /** Translation function; if it returns undefined, the texts are used. */
  readonly t?: TranslateSetting | undefined
}

/** A limit that administrators may tune. */
export interface Tunable {
  /** Such as `user`. */
  readonly name: string
  readonly min: Limit
  readonly max: Limit
  /** In ascending order. */
  readonly choices: readonly Limit[]
}

/** Checked options of settings. */
export interface Tuning {
  readonly limits: ReadonlyMap<string, Tunable>
  readonly notices: boolean
  readonly command: string
  readonly texts: Readonly<Record<string, SettingsTexts>> | undefined
  readonly t: TranslateSetting | undefined
}

/**
 * Checks what administrators may tune.
 *
 * @throws SentinelError `option.invalid` for invalid bounds, `limit.unknown` for a limit that does not exist.
 */
export function readSettings(options: SettingsOptions): Tuning {
  const read = parseOptions('settings', settingsOptions, options)
  const limits = new Map<string, Tunable>()
  for (const [name, given] of Object.entries(read.limits ?? {})) {
    limits.set(name, tunable(name, given, `settings.limits.${name}`))
  }
  if (read.throttle !== undefined) {
    if (limits.has('user')) {
      throw new SentinelError(
        'option.invalid',
        'settings.throttle: settings.limits.user says the same. Give one of the two.',
      )
    }
    limits.set('user', tunable('user', read.throttle, 'settings.throttle'))
  }
  const { notices, command, texts, t } = read
  if (limits.size === 0 && !notices) {
    throw new SentinelError(
      'option.invalid',
      "settings: there is nothing to tune. Give bounds, such as throttle: { min: '5/1m', max: '60/1m' }, or notices: true.",
    )
  }
  // Each limit has a button for the usual limit, too, and the menu has one that closes it.
  let buttons = notices ? 2 : 1
  for (const { choices } of limits.values()) buttons += choices.length + 1
  if (buttons > MOST_BUTTONS) {
    throw new SentinelError(
      'option.invalid',
      `settings.limits: ${buttons} buttons are too many. Telegram shows ${MOST_BUTTONS} at most.`,
    )
  }
  return { limits, notices, command, texts: texts as Tuning['texts'], t }
}

function tunable(name: string, { min, max, choices }: z.output<typeof bounds>, what: string): Tunable {
  const wrong = (option: string, problem: string): SentinelError =>
    new SentinelError('option.invalid', `${what}.${option}: ${problem}`)
  if (min.per !== max.per) {
    throw wrong('max', `${formatLimit(max)} has another time span than min, ${formatLimit(min)}.`)
  }
  if (min.amount > max.amount) throw wrong('max', `${max.amount} is less than min, ${min.amount}.`)
  const [least, most] = [capacityOf(min), capacityOf(max)]
  if (least > most) throw wrong('max', `${most} at once is less than min, ${least} at once.`)
  choices?.forEach((choice, index) => {
    if (isWithin({ min, max }, choice)) return
    throw wrong(
      `choices[${index}]`,
      `${formatLimit(choice)} is not within the bounds, ${boundsText({ min, max })}.`,
    )
  })
  const sorted = [...(choices ?? between(min, max))].sort(
    (a, b) => a.amount - b.amount || capacityOf(a) - capacityOf(b),
  )
  return { name, min, max, choices: sorted }
}

/** Whether administrators may choose a limit: it has the span of the bounds, and its amount and burst lie between them. */
export function isWithin({ min, max }: Pick<Tunable, 'min' | 'max'>, limit: Limit): boolean {
  const { amount, per } = limit
  const atOnce = capacityOf(limit)
  return (
    per === min.per &&
    amount >= min.amount &&
    amount <= max.amount &&
    atOnce >= capacityOf(min) &&
    atOnce <= capacityOf(max)
  )
}

/** Describes the bounds, such as `5/1m to 60/1m, 5 to 60 at once`. */
export function boundsText({ min, max }: Pick<Tunable, 'min' | 'max'>): string {
  return `${formatLimit(min)} to ${formatLimit(max)}, ${capacityOf(min)} to ${capacityOf(max)} at once`
}

/** Returns `min`, `max` and round numbers between them. */
function between(min: Limit, max: Limit): readonly Limit[] {
  const amounts = new Set([min.amount, max.amount])
  for (let ten = 1; ten <= MOST_AMOUNT; ten *= 10) {
    for (const times of [1, 2, 3, 5]) {
      const amount = ten * times
      if (amount > min.amount && amount < max.amount) amounts.add(amount)
    }
  }
  const all = [...amounts].sort((a, b) => a - b)
  const step = Math.max(1, (all.length - 1) / (FOUND_CHOICES - 1))
  const some = Array.from({ length: Math.min(all.length, FOUND_CHOICES) }, (_, nth) => {
    return all[Math.min(all.length - 1, Math.round(nth * step))] as number
  })
  const found = [...new Set(some)].map((amount) => {
    if (amount === min.amount) return min
    if (amount === max.amount) return max
    const burst = Math.min(capacityOf(max), Math.max(capacityOf(min), amount))
    return { amount, per: min.per, ...(burst !== amount && { burst }) }
  })
  return min.amount === max.amount && capacityOf(min) < capacityOf(max) ? [...found, max] : found
}
