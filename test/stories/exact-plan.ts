import type { Ask, Check, Consequence, Plan, Variant } from '../../src/core/check.js'
import type { Facts } from '../../src/core/facts.js'
import { ACTIVITIES, type Activity } from '../../src/core/kinds.js'
import { chatKey, commandKey, GLOBAL_KEY, type Key, userKey } from '../../src/core/subject.js'
import { type Limit, parseDuration, parseLimit } from '../../src/index.js'
import type { ExactOptions, LimitOptions } from './exact-options.js'

/*
 * What the options mean, as the documentation has it: which checks are made for which updates, and whose state they read. The checks
 * are decided by the reference model of storages (`src/testing/model`), so that neither the guards nor a storage of the package take
 * part. Nothing here is shared with the code that wires guards.
 */

export const SCOPES = [
  'user',
  'chat',
  'marked chat',
  'member',
  'command',
  'global',
  'joiner',
  'joiner in chat',
] as const
type Scope = (typeof SCOPES)[number]

/** The largest amount for which `sliding` keeps a time stamp for each unit. */
const MOST_STAMPS = 64
const ALBUM_FOR = parseDuration('1m')
const UPDATES_FOR = parseDuration('1d')
const TALK: readonly Activity[] = ['message', 'tap', 'reaction', 'vote']
const WITH_REGISTRATION: readonly Activity[] = [
  ...['message', 'edit', 'tap', 'inline', 'reaction', 'vote', 'checkout', 'post'],
] as const satisfies readonly Activity[]
const ALL = ACTIVITIES.filter((activity) => activity !== 'unknown')
/** What no guard refuses: the money has been taken. */
const PAID: Activity = 'payment'

/** Who is spared a check: nobody, the owner, or also holders of an exempt role. */
type Sparing = 'nobody' | 'owner' | 'owner and mods'

/** A check, and which updates it is for. */
export interface Rule {
  readonly check: Check
  /** How verdicts name it. */
  readonly name: string
  readonly reason: string
  readonly spares: Sparing
  /** What it costs; 0 if it is not for this update. */
  readonly cost: (facts: Facts) => number
  /** Claims: what must be the same for two updates to share the claim. */
  readonly token?: (facts: Facts) => unknown
}

function at(scope: Scope): number {
  return SCOPES.indexOf(scope)
}

const isFor =
  (on: readonly Activity[], cost = 1) =>
  ({ activity }: Facts): number =>
    on.includes(activity) ? cost : 0

/** The rules of the sentinel itself, in the order in which they are asked. */
export function rulesOf({
  once,
  auth,
  debounce,
  throttle,
}: Pick<ExactOptions, 'once' | 'auth' | 'debounce' | 'throttle'>): readonly Rule[] {
  const rules: Rule[] = []
  for (const [name, scope] of [
    ['actor', 'user'],
    ['chat', 'marked chat'],
  ] as const) {
    const common = { guard: 'block', slot: `block ${name}`, subject: at(scope), anyOf: ['blocked'] }
    const check: Check = { ...common, kind: 'absent' }
    rules.push({
      check,
      name,
      reason: 'blocked',
      spares: 'owner',
      cost: isFor(ALL.filter((activity) => activity !== PAID)),
    })
  }
  if (once !== false) {
    const lease = once.lease === undefined ? {} : { lease: parseDuration(once.lease) }
    const common = { guard: 'once', slot: 'once', subject: at('global'), holdFor: UPDATES_FOR, ...lease }
    const check: Check = { ...common, kind: 'claim', tokens: 'sequence', retry: true, whenHeld: 'refuse' }
    const own = { name: 'update', reason: 'duplicate', spares: 'nobody' } as const
    rules.push({ check, ...own, cost: isFor(ALL), token: ({ updateId }) => updateId })
  }
  if (auth) {
    const common = { guard: 'auth', slot: 'auth', subject: at('user'), anyOf: ['registered'] }
    const cost = (facts: Facts): number =>
      facts.handledCommand === 'start' ? 0 : isFor(WITH_REGISTRATION)(facts)
    const own = { name: 'registered', reason: 'unregistered', spares: 'owner and mods' } as const
    rules.push({ check: { ...common, kind: 'present' }, ...own, cost })
  }
  if (debounce !== false) {
    const holdFor = parseDuration(debounce.window)
    const common = { guard: 'debounce', slot: 'debounce', subject: at('user'), holdFor }
    const on = debounce.on ?? []
    rules.push({
      check: { ...common, kind: 'claim', tokens: 'digest', whenHeld: 'refuse' },
      name: 'leading',
      reason: 'repeated',
      spares: 'owner and mods',
      cost: (facts) => (facts.fingerprint === undefined || facts.album !== undefined ? 0 : isFor(on)(facts)),
      token: ({ activity, chatId, connection, fingerprint }) => [
        // A message and a post may be the same content: what a channel writes in its group, and then posts.
        activity === 'post' ? 'message' : activity,
        chatId,
        connection,
        fingerprint,
      ],
    })
  }
  return [...rules, ...limitRules(throttle)]
}

/** The rules of limits: parts of an album of which the same is asked count as one. */
export function limitRules(limits: readonly LimitOptions[]): readonly Rule[] {
  const rules = limits.flatMap(rulesOfLimit)
  const common = { guard: 'throttle', slot: 'album', subject: at('user'), holdFor: ALBUM_FOR }
  const album: Rule = {
    check: { ...common, kind: 'claim', tokens: 'digest', whenHeld: 'waive' },
    name: 'album',
    reason: 'limited',
    spares: 'owner and mods',
    cost: ({ album, activity }) => (album !== undefined && activity === 'message' ? 1 : 0),
    token: (facts) => {
      const subjects = subjectsOf(facts)
      // A limit of commands is not asked about parts without a command.
      const asked = rules.map(({ cost, check }) => {
        const subject = subjects[check.subject]
        return subject === undefined || cost(facts) === 0 ? 0 : [cost(facts), String(subject)]
      })
      return [facts.chatId, facts.album, asked]
    },
  }
  return limits.length === 0 ? [] : [album, ...rules]
}

function rulesOfLimit(options: LimitOptions): readonly Rule[] {
  const { name, scope = 'user', commands } = options
  const limit = parseLimit(options.limit as `${number}/${number}s`)
  const rule = (suffix: string, on: readonly Activity[], check: Check): Rule => ({
    check,
    name: `${name}${suffix}`,
    reason: 'limited',
    spares: 'owner and mods',
    cost: (facts) => {
      const isCommand =
        commands === undefined || (facts.command !== undefined && commands.includes(facts.command))
      return isCommand && facts.activity !== PAID ? isFor(on, costOf(options, facts))(facts) : 0
    },
  })
  const ofCommands = commands !== undefined || scope === 'command'
  const main = rule('', options.on ?? (ofCommands ? ['message'] : TALK), checkOf(options, limit, scope, ''))
  if (options.on !== undefined || ofCommands) return [main]
  const joiner = scope === 'user' ? 'joiner' : scope === 'member' ? 'joiner in chat' : scope
  return [
    main,
    rule('.inline', ['inline'], checkOf(options, fiveTimes(limit), scope, '.inline')),
    rule('.edits', ['edit'], checkOf(options, limit, scope, '.edits')),
    rule('.joins', ['membership'], checkOf(options, limit, joiner, '.joins')),
  ]
}

export function costOf({ cost }: LimitOptions, { command, album }: Facts): number {
  if (cost !== 'varies') return cost ?? 1
  if (command === 'x') return 0
  return album === undefined ? 1 : 2
}

function checkOf(options: LimitOptions, limit: Limit, scope: Scope, suffix: string): Check {
  const { name, algorithm, cost, shadow = false } = options
  const isMain = suffix === ''
  const stamps = cost !== 'varies' && limit.amount <= MOST_STAMPS
  const common = {
    guard: 'throttle',
    slot: `${name}${suffix}`,
    subject: at(scope),
    limit,
    shadow,
    ...(isMain ? { variants: variantsOf(options, scope), onRefusal: consequenceOf(options) } : {}),
  }
  if (algorithm === 'bucket') return { ...common, kind: 'bucket' }
  if (algorithm === 'fixed') return { ...common, kind: 'window', form: 'fixed' }
  const isLog = algorithm === 'sliding-log' || (algorithm === 'sliding' && stamps)
  return { ...common, kind: 'window', form: isLog ? 'log' : 'counters' }
}

/** Limits set while the bot runs come before those of roles, and a user's own before a chat's. */
function variantsOf({ name, forVips }: LimitOptions, scope: Scope): readonly Variant[] {
  const mark = limitMark(name)
  const user: Variant = { mark, subject: at('user'), limit: 'stored' }
  // A limit of a chat also counts in the chats of other accounts that have the same id.
  const chat: Variant = { mark, subject: at('marked chat'), limit: 'stored' }
  return [
    ...(scope === 'chat' || scope === 'global' ? [] : [user]),
    ...(scope === 'global' ? [] : [chat]),
    ...(forVips === undefined
      ? []
      : [{ mark: 'role vip', subject: at('user'), limit: parseLimit(forVips as `${number}/${number}s`) }]),
  ]
}

export function limitMark(name: string): string {
  return `limit ${name}`
}

function consequenceOf({ penalty }: LimitOptions): Consequence {
  if (penalty === undefined) return {}
  const { after, within, bans } = penalty
  return { penalty: { after, within: parseDuration(within), bans: bans.map((ban) => parseDuration(ban)) } }
}

function fiveTimes({ amount, per, burst = amount }: Limit): Limit {
  return { amount: amount * 5, per, burst: burst * 5 }
}

export function planOf(name: string, rules: readonly Rule[]): Plan {
  return { name, scopes: SCOPES, checks: rules.map(({ check }) => check) }
}

/** Whose state each scope reads for an update. */
export function subjectsOf(facts: Facts): readonly (Key | undefined)[] {
  const { actor, chatId, command, connection, kind, target } = facts
  // Joins count for the person who joins, whoever lets them in.
  const isOfMember = kind === 'chat_member'
  const joiner = isOfMember && target?.id !== undefined ? userKey(target.id) : actor
  // Keys of the model's own tell the chats of other accounts apart, even if the package confuses them.
  const chat = connection === undefined ? chatKey(chatId ?? 0) : `chat ${chatId} of ${connection}`
  const inChat = (who: Key | undefined): Key | undefined =>
    who === undefined || chatId === undefined ? undefined : `${who} in ${chat}`
  const byScope: Readonly<Record<Scope, Key | undefined>> = {
    user: actor,
    // The chat of another account may have the id of the bot's own chat with somebody.
    chat: chatId === undefined ? undefined : chat,
    'marked chat': chatId === undefined ? undefined : chatKey(chatId),
    member: inChat(actor),
    command: actor === undefined || command === undefined ? undefined : commandKey(actor, command),
    global: GLOBAL_KEY,
    // What others do to somebody in one chat has no effect in another.
    joiner: isOfMember ? inChat(joiner) : joiner,
    'joiner in chat': inChat(joiner),
  }
  return SCOPES.map((scope) => byScope[scope])
}

/** Numbers for tokens that are not numbers. */
const numbers = new Map<string, number>()

export function askOf(
  bot: number,
  rules: readonly Rule[],
  facts: Facts,
  isSpared: (rule: Rule) => boolean,
): Ask {
  const tokens = rules
    .filter(({ check }) => check.kind === 'claim')
    .map(({ token }) => {
      const own = token?.(facts)
      if (typeof own === 'number') return own
      const text = JSON.stringify(own)
      if (!numbers.has(text)) numbers.set(text, numbers.size + 1)
      return numbers.get(text) as number
    })
  const costs = rules.map((rule) => (isSpared(rule) ? 0 : rule.cost(facts)))
  return { bot, subjects: subjectsOf(facts), costs, tokens }
}
