import type { Context } from 'grammy'
import { z } from 'zod'
import { isPromise, type MaybePromise, type WhenDown } from '../core/check.js'
import type { Duration } from '../core/duration.js'
import type { Facts } from '../core/facts.js'
import type { Activity } from '../core/kinds.js'
import { later, madeLater, preload } from '../core/later.js'
import type { Key } from '../core/subject.js'
import type { DossierSource } from './auth/dossier-source.js'
import { RESOLVED, VETOED } from './auth/marks.js'
import type { Resolve } from './auth/resolution.js'
import type { Resolver } from './auth/resolver.js'
import { type Vetting, vettingOf } from './auth/vetting.js'
import { guardOf } from './compose.js'
import type { Admission, Guard, Question, Wired, Wiring } from './guard.js'
import {
  activities,
  callable,
  commandNamed,
  duration,
  given,
  grantedRole,
  onFailure,
  option,
  parseOptions,
  refusal,
} from './options/schema.js'
import type { Denial } from './refusing/denial.js'
import type { Services } from './services.js'

/** The durable mark of registered subjects. */
export const REGISTERED = 'registered'

const resolving = later('auth.resolve', () => import('./auth/resolver.js'))

/**
 * What needs registration by default. Posts do, because anybody can own a channel, and `bot.hears()` and filters such as `:text`
 * run for posts, too.
 */
const COVERED: readonly Activity[] = [
  'message',
  'edit',
  'tap',
  'inline',
  'reaction',
  'vote',
  'checkout',
  'post',
]
const commandNames = z.array(commandNamed('start'))

export const authOptions = z.strictObject({
  registration: option(
    z.enum(['auto', 'explicit']),
    'auto registers each user and channel that comes; explicit waits for guard.register().',
    'explicit',
  ),
  gate: option(
    z.union([z.literal('all'), commandNames.min(1, 'must name at least one').readonly()]),
    'What needs registration: all, or these commands.',
    'all',
  ),
  open: option(commandNames.readonly(), 'Commands that everybody may use although gate is all.', ['start']),
  on: option(
    activities,
    'Activities that need registration. Default: what users do and channels post, except joining and payments made.',
  ),
  roles: option(
    z.array(grantedRole.min(1, 'must be the name of a role')).min(1, 'must name at least one').readonly(),
    'Demands one of these roles instead of registration.',
  ),
  resolve: option(
    callable<Resolve<Context>>(),
    'A function with the final say on admitted users. In code only.',
  ),
  resolveFor: option(duration, 'How long an answer of resolve is valid.', '5m'),
  timeout: option(duration, 'How long resolve or a dossier may take.', '5s'),
  dossier: option(
    given<DossierSource>(
      'a source of dossiers, such as mtproto({ … })',
      (value) => typeof Reflect.get(Object(value), 'dossier') === 'function',
    ),
    "Source of Telegram's information about users. In code only.",
  ),
  minAccountAge: option(duration, 'Refuses accounts that are known to be younger.'),
  denyScam: option(z.boolean(), 'Refuses users whom Telegram has marked as frauds.', false),
  denyFake: option(z.boolean(), 'Refuses users whom Telegram has marked as impersonators.', false),
  dossierFor: option(duration, 'How long a dossier is valid.', '1d'),
  dossierWait: option(duration, "How long a user's first update waits for the dossier.", 0),
  ...refusal,
  onFailure: onFailure('closed'),
})

/**
 * Options of {@link auth}. Durations are texts such as `'5m'`, or milliseconds.
 *
 * @example
 * ```ts
 * import { type AuthOptions, auth } from 'grammy-sentinel'
 *
 * const staffOnly: AuthOptions = { roles: ['admin', 'moderator'], gate: ['ban', 'warn'], deny: 'silent' }
 * auth(staffOnly)
 * ```
 */
export interface AuthOptions<C extends Context = Context> {
  /** `auto` registers every actor; `explicit` waits for `guard.register()`. @default 'explicit' */
  readonly registration?: 'auto' | 'explicit' | undefined
  /** What requires registration: `all`, or only these commands. @default 'all' */
  readonly gate?: 'all' | readonly string[] | undefined
  /**
   * Commands open to everybody if `gate` is `all`: exactly the updates for which `bot.command()` runs. A caption, or `/START`,
   * is not open.
   * @default ['start']
   */
  readonly open?: readonly string[] | undefined
  /** Activities that the gate covers. @default everything that users do and channels post, checkouts included, except joining and completed payments */
  readonly on?: readonly Activity[] | undefined
  /** Requires one of these roles instead of registration. */
  readonly roles?: readonly string[] | undefined
  /**
   * Called for admitted actors, with the last word: may veto, or set `ctx.sentinel.identity`. Its answer is kept as a
   * mark, so that it is called once per `resolveFor` and actor. If it throws or takes too long, the update is refused
   * (`unavailable`), and the next update calls it again.
   */
  readonly resolve?: Resolve<C> | undefined
  /** How long a resolver's answer is kept. @default '5m' */
  readonly resolveFor?: Duration | undefined
  /** How long a resolver, or the lookup of a dossier, may take. @default '5s' */
  readonly timeout?: Duration | undefined
  /** Source of what Telegram knows of users: a client of `grammy-sentinel/mtproto`. Users it knows nothing of are not denied. */
  readonly dossier?: DossierSource | undefined
  /** Refuses accounts known to be younger than this; accounts of unknown age pass. Needs `dossier`. */
  readonly minAccountAge?: Duration | undefined
  /** Refuses accounts that Telegram has marked as a fraud. Needs `dossier`. @default false */
  readonly denyScam?: boolean | undefined
  /** Refuses accounts that Telegram has marked as impersonating somebody. Needs `dossier`. @default false */
  readonly denyFake?: boolean | undefined
  /** How long a dossier is kept, as a mark in the storage. @default '1d' */
  readonly dossierFor?: Duration | undefined
  /** How long a user's first update waits for their dossier; if it takes longer, the update passes. @default 0 */
  readonly dossierWait?: Duration | undefined
  /** How a refused update is answered. @default 'notice' */
  readonly deny?: Denial<C> | undefined
  /** The shortest time between two notices. @default '1m' */
  readonly noticeEvery?: Duration | undefined
  /** Evaluates and counts updates and tells listeners, but never refuses. @default false */
  readonly shadow?: boolean | undefined
  /**
   * What happens while the storage does not answer: `closed` refuses (`unavailable`), `local` uses the last known copy of
   * registrations and of the resolver's answers, `open` lets everybody in. @default 'closed'
   */
  readonly onFailure?: WhenDown | undefined
}

type Settings = z.output<typeof authOptions>

/**
 * Admits only actors who are registered (or hold a role), for everything or for some commands, and asks an optional resolver of
 * yours.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`, `duration.invalid`; when it is wired, `role.unknown` if the sentinel
 * defines its roles and one of these is not among them.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { auth } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(auth({ gate: ['vip', 'report'], resolve: async (facts) => facts.actorKind === 'user' }))
 * ```
 */
export function auth<C extends Context = Context>(options: AuthOptions<C> = {}): Guard<C> {
  const settings = parseOptions('auth', authOptions, options)
  if (settings.resolve !== undefined) preload(resolving)
  return guardOf({ name: 'auth', wire: (wiring) => wire(wiring, settings) })
}

function wire(wiring: Wiring<Context>, settings: Settings): Wired<Context> {
  const { services } = wiring
  const actor = wiring.scope('actor', (facts) => facts.actor)
  const gated = gateOf(settings)
  const { deny, noticeEvery, shadow, onFailure: whenDown } = settings
  const question = (name: string): Omit<Question<Context>, 'check'> => ({
    on: settings.on ?? COVERED,
    when: gated,
    // Administrators of the chat are not exempt: anybody can create a group and add the bot to it.
    exempt: 'roles',
    name,
    reason: 'unregistered',
    denial: deny,
  })
  const common = { guard: 'auth', subject: actor, whenDown }
  const refusing = { ...common, shadow, onRefusal: deny === 'silent' ? {} : { noticeEvery } }
  const auto = settings.registration === 'auto'
  for (const role of settings.roles ?? []) services.roles.check(role, 'auth.roles')
  const required = settings.roles?.flatMap((role) => services.roles.marksOf(role)) ?? [REGISTERED]
  const probes = new Map<string, number>()
  const probe = (mark: string): void => {
    const check = { ...common, kind: 'present', slot: `auth.${mark}?`, anyOf: [mark], shadow: true } as const
    probes.set(mark, wiring.ask({ ...question(mark), check, probe: true, paid: true }))
  }

  if (auto) probe(REGISTERED)
  if (!auto || settings.roles !== undefined) {
    const name = settings.roles === undefined ? 'registered' : 'role'
    wiring.ask({
      ...question(name),
      ...(name === 'role' && { reason: 'forbidden' as const }),
      check: { ...refusing, kind: 'present', slot: `auth.${name}`, anyOf: required },
    })
  }
  const { resolve } = settings
  if (resolve !== undefined) {
    const check = { ...refusing, kind: 'absent', slot: `auth.${VETOED}`, anyOf: [VETOED] } as const
    wiring.ask({ ...question('resolver'), reason: 'vetoed', check })
    probe(RESOLVED)
  }
  const { name: _, reason: __, ...shared } = question('dossier')
  const vetting = vettingOf(settings, wiring, shared, refusing)
  const resolver =
    resolve && madeLater(resolving, ({ Resolver }) => new Resolver(services, resolve, settings))
  return {
    denial: deny,
    shadow,
    apart: resolver !== undefined || vetting !== undefined,
    admit(facts, ctx, probed) {
      const { actor: key } = facts
      if (key === undefined) return undefined
      if (auto && probed.includes(probes.get(REGISTERED) as number)) register(services, ctx.me.id, key)
      if (resolver === undefined || !(settings.on ?? COVERED).includes(facts.activity) || !gated(facts))
        return vetting?.admit(facts, ctx, probed)
      const isDue = probed.includes(probes.get(RESOLVED) as number)
      const { now } = resolver
      const answer =
        now === undefined
          ? resolver.load().then((loaded) => resolved(loaded, isDue, facts, ctx, key))
          : resolved(now, isDue, facts, ctx, key)
      if (vetting === undefined) return answer
      return isPromise(answer)
        ? answer.then((resolved) => vetted(vetting, resolved, facts, ctx, probed))
        : vetted(vetting, answer, facts, ctx, probed)
    },
    ...(vetting !== undefined && {
      drain: async () => vetting.end(),
    }),
  }
}

/** Asks the resolver, or returns the identity from its earlier yes. */
function resolved(
  resolver: Resolver,
  isDue: boolean,
  facts: Facts,
  ctx: Context,
  key: Key,
): MaybePromise<Admission | undefined> {
  return isDue ? resolver.ask(facts, ctx, key) : resolver.remembered(ctx.me.id, key)
}

/** Combines the resolver's answer with the dossier's: both must admit. */
function vetted(
  vetting: Vetting,
  answer: Admission | undefined,
  facts: Facts,
  ctx: Context,
  probed: readonly number[],
): MaybePromise<Admission | undefined> {
  if (answer?.veto !== undefined) return answer
  const admission = vetting.admit(facts, ctx, probed)
  return isPromise(admission) ? admission.then((resolved) => resolved ?? answer) : (admission ?? answer)
}

/** Returns whether the gate covers an update. */
function gateOf({ gate, open }: Settings): (facts: Facts) => boolean {
  const names = (gate === 'all' ? open : gate).map((command) => command.replace(/^\//, ''))
  if (gate === 'all') {
    // Only what `bot.command()` runs for: everything else that looks like an open command reaches the handlers behind the gate.
    const isOpen = new Set<string | undefined>(names)
    return (facts) => facts.command === undefined || !isOpen.has(facts.handledCommand)
  }
  const isGated = new Set(names.map((name) => name.toLowerCase()))
  return (facts) => facts.command !== undefined && isGated.has(facts.command)
}

function register(services: Services, bot: number, key: Key): void {
  services.background.run('auth.register', async () => {
    await services.storage.marks.put(bot, REGISTERED, [{ key, mark: { since: services.clock() } }])
    services.events.tell('registered', { bot, key })
  })
}
