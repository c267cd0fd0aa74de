import type { Context } from 'grammy'
import { z } from 'zod'
import type { MaybePromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { later, madeLater, using } from '../core/later.js'
import { shown } from '../core/show.js'
import { guardOf } from './compose.js'
import type { Guard } from './guard.js'
import type { MemberNews, Registration } from './membership/member-news.js'
import type { MemberSource, ReconcileOptions, Reconciliation } from './membership/reconciliation.js'
import { TRANSITION_EVENTS } from './membership/transition-events.js'
import type { Transition, TransitionEvent } from './membership/transitions.js'
import { option, parseOptions } from './options/schema.js'
import type { Services } from './services.js'

const telling = later('membership', () => import('./membership/member-news.js'))
const comparing = later('membership.reconcile', () => import('./membership/reconciliation.js'))

/** Update kinds about members. Of these, only `chat_member` is not delivered by default. */
const KINDS = ['chat_member', 'my_chat_member', 'chat_join_request'] as const

export const membershipOptions = z.strictObject({
  unreachable: option(z.boolean(), 'Marks users who block the bot.', true),
  roster: option(
    z.boolean(),
    'Stores who belongs to which chat, so that reconcile() can find what was missed.',
    false,
  ),
})

/**
 * Options of {@link membership}.
 *
 * @example
 * ```ts
 * import { type MembershipOptions, membership } from 'grammy-sentinel'
 *
 * const options: MembershipOptions = { unreachable: false }
 * const members = membership(options)
 * ```
 */
export interface MembershipOptions {
  /**
   * Whether a user who blocks the bot is marked `unreachable` until they let it write again. The mark is durable and independent
   * of `blocked`: it refuses nothing. @default true
   */
  readonly unreachable?: boolean | undefined
  /**
   * Whether to keep marks of who belongs to which chat, which costs a write per transition. Needed for `reconcile()`.
   * @default false
   */
  readonly roster?: boolean | undefined
}

/**
 * A guard that reports who joins and leaves; see {@link membership}.
 *
 * @example
 * ```ts
 * import { type MembershipGuard, membership } from 'grammy-sentinel'
 *
 * const members: MembershipGuard = membership()
 * const stop = members.on('joined', ({ member }) => console.log(`${member.first_name} is here`))
 * stop()
 * ```
 */
export interface MembershipGuard<C extends Context = Context> extends Guard<C> {
  /**
   * Adds a handler for one event or several; also works when the guard is already in use. The returned function removes it.
   *
   * @throws SentinelError `option.invalid` for an unknown event, or a handler that is not a function.
   */
  on<E extends TransitionEvent>(
    event: E | readonly E[],
    handler: (transition: Transition<E, C>) => unknown,
  ): () => void
  /**
   * Finds out who came and went while the bot was down: compares the members of a supergroup or channel with the recorded ones,
   * and calls handlers for the transitions that were missed, marked as `reconciled`. The first call only records all members. It
   * may be interrupted and started again, since each member is recorded one by one. Of a big channel Telegram lists only a part
   * of the members, see {@link Reconciliation}.
   *
   * @throws SentinelError `option.invalid` without `roster: true`; `bot.unknown` before a bot was met; `mtproto.refused`.
   */
  reconcile(source: MemberSource, chat: number, options?: ReconcileOptions): Promise<Reconciliation>
  /** Whether there is any handler, or any listener for the `membership` event of a sentinel that uses the guard. */
  readonly listened: boolean
}

/**
 * Reports who joins, leaves, is banned, promoted, restricted or asks to join, and what happens to the bot itself.
 *
 * It refuses nobody, and sees every update before the other guards of its chain decide, so that it also reports blocked members.
 * The handlers for an update run one after another in the order they were added, and the update waits for them. An exception is
 * reported as an `error` event and stops nothing. An update that Telegram delivers twice is reported twice. Handlers run before
 * `ctx.sentinel` is set.
 *
 * A user who blocks the bot holds the mark `unreachable` until they let it write again.
 *
 * Telegram sends `chat_member` only to administrators, and only on request: `guard.install(bot)` requests it. The guard needs
 * it even without handlers, to drop the remembered administrators of a chat when they change.
 *
 * @throws SentinelError `option.invalid`, `option.unknown`.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { membership } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * const members = membership()
 * members.on('joined', ({ ctx, member }) => ctx.reply(`Welcome, ${member.first_name}!`))
 * members.on(['left', 'kicked', 'banned'], ({ member, actor }) => console.log(member.id, 'by', actor.id))
 * bot.use(members)
 * void bot.start({ allowed_updates: ['message', 'chat_member'] })
 * ```
 */
export function membership<C extends Context = Context>(options: MembershipOptions = {}): MembershipGuard<C> {
  const settings = parseOptions('membership', membershipOptions, options)
  return membershipBy(() => settings)
}

/** Creates the guard with options that may change; those in force at the first member update apply. */
export function membershipBy<C extends Context = Context>(
  read: () => boolean | MembershipOptions,
): MembershipGuard<C> {
  const settings = (): z.output<typeof membershipOptions> => {
    const options = read()
    return membershipOptions.parse(typeof options === 'object' ? options : {})
  }
  let news: (() => Promise<MemberNews>) | undefined
  const registrations = new Set<Registration>()
  const events = new Set<Services['events']>()

  const guard = guardOf<C>({
    name: 'membership',
    wire({ services }) {
      events.add(services.events)
      const opened = madeLater(
        telling,
        ({ MemberNews }) => new MemberNews(services, { ...settings(), registrations }),
      )
      news = () => opened.load()
      return {
        needs: KINDS,
        observes: ['membership'],
        observe(facts, ctx): MaybePromise<void> {
          if (facts.activity !== 'membership') return
          const isShared = services.chatRoles.observe(facts, ctx)
          return using(opened, (loaded) => loaded.read(facts, ctx, isShared))
        },
      }
    },
  })

  return withRegistration(guard, {
    async reconcile(source: MemberSource, chat: number, own?: ReconcileOptions) {
      if (news === undefined || !settings().roster) throw noRoster(news === undefined)
      const [{ services, tell }, { reconcile }] = await Promise.all([news(), comparing.load()])
      return reconcile(services, tell, source, chat, own)
    },
    get listened() {
      return registrations.size > 0 || [...events].some((told) => told.heard('membership'))
    },
    on<E extends TransitionEvent>(
      event: E | readonly E[],
      handler: (transition: Transition<E, C>) => unknown,
    ) {
      const registration: Registration = {
        events: checkedEvents(event),
        // Called only with the events it was registered for.
        handler: checkedHandler(handler) as Registration['handler'],
      }
      registrations.add(registration)
      return () => {
        registrations.delete(registration)
      }
    },
  })
}

function noRoster(unused: boolean): SentinelError {
  return new SentinelError(
    'option.invalid',
    unused
      ? 'membership.reconcile: the guard is not in use. Call bot.use(guard) first.'
      : 'membership.reconcile: the members of chats are not stored. Turn that on: membership: { roster: true }.',
  )
}

/** Copies the members with their getters, which `Object.assign` would evaluate once. */
function withRegistration<G extends object, M extends object>(guard: G, members: M): G & M {
  return Object.defineProperties(guard, Object.getOwnPropertyDescriptors(members)) as G & M
}

function checkedEvents(given: unknown): ReadonlySet<TransitionEvent> {
  const events: readonly unknown[] = Array.isArray(given) ? given : [given]
  for (const event of events) {
    if ((TRANSITION_EVENTS as readonly unknown[]).includes(event)) continue
    throw new SentinelError(
      'option.invalid',
      `membership.on: there is no event ${shown(event)}. Use one of ${TRANSITION_EVENTS.join(', ')}.`,
    )
  }
  return new Set(events as readonly TransitionEvent[])
}

function checkedHandler<H>(handler: H): H {
  if (typeof handler === 'function') return handler
  throw new SentinelError(
    'option.invalid',
    `membership.on: ${shown(handler)} is not a handler. Pass a function of the transition.`,
  )
}
