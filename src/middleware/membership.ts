import type { Context } from 'grammy'
import { z } from 'zod'
import type { MaybePromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { later } from '../core/later.js'
import { shown } from '../core/show.js'
import { userKey } from '../core/subject.js'
import { guardOf } from './compose.js'
import type { Guard } from './guard.js'
import type { House } from './house.js'
import type { MemberSource, ReconcileOptions, Reconciliation, Tell } from './reconciliation.js'
import { option, parseOptions } from './schema.js'
import { TRANSITION_EVENTS } from './transition-events.js'
import type { Transition, TransitionEvent } from './transitions.js'

/**
 * The durable mark of whoever blocked the bot. Not `blocked`, which is our own doing: with one mark for both,
 * whoever is banned could unban themselves by blocking the bot and letting it write again.
 */
export const UNREACHABLE = 'unreachable'

const reading = later('membership', () => import('./transitions.js'))
const keeping = later('membership.roster', () => import('./roster.js'))
const comparing = later('membership.reconcile', () => import('./reconciliation.js'))

/** Update kinds that tell of members. Only `chat_member` is not among Telegram's default. */
const KINDS = ['chat_member', 'my_chat_member', 'chat_join_request'] as const

/** Of the bot itself: these come wherever it is. */
const OF_THE_BOT: ReadonlySet<TransitionEvent> = new Set(
  TRANSITION_EVENTS.filter((event) => event.startsWith('bot')),
)

export const membershipOptions = z.strictObject({
  unreachable: option(z.boolean(), 'Marks who blocks the bot.', true),
  roster: option(
    z.boolean(),
    'Keeps who belongs to which chat, so that reconcile() can tell what was missed.',
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
   * Whether a user who blocks the bot is marked `unreachable` until they let it write again. It is a durable mark,
   * apart from `blocked`: it refuses nothing. @default true
   */
  readonly unreachable?: boolean
  /**
   * Whether it keeps who belongs to which chat, as marks: a write for each transition. Needed for `reconcile()`. @default false
   */
  readonly roster?: boolean
}

/**
 * A guard that tells who comes and goes; see {@link membership}.
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
   * Runs a handler on one event or several, also when the guard is in use already. The returned function calls it
   * off.
   *
   * @throws SentinelError `option.invalid` for an event that there is not, or a handler that is no function.
   */
  on<E extends TransitionEvent>(
    event: E | readonly E[],
    handler: (transition: Transition<E, C>) => unknown,
  ): () => void
  /**
   * Tells who came and went while the bot was down: compares who is in a supergroup or channel with who is known to be, and runs handlers
   * with the transitions that were missed, marked as `reconciled`. The first time all are noted, and nobody is told of. Can be broken off and
   * begun again: what was told is noted one by one. Of a big channel Telegram lists some only, see {@link Reconciliation}.
   *
   * @throws SentinelError `option.invalid` without `roster: true`; `bot.unknown` before the bot was met; `mtproto.refused`.
   */
  reconcile(source: MemberSource, chat: number, options?: ReconcileOptions): Promise<Reconciliation>
  /** Whether anybody listens: a handler is registered, or a listener for `membership` where the guard is in use. */
  readonly listened: boolean
}

interface Registration<C extends Context> {
  readonly events: ReadonlySet<TransitionEvent>
  readonly handler: (transition: Transition<TransitionEvent, C>) => unknown
}

/**
 * Tells who joins, leaves, is banned, promoted, restricted or asks to join, and what happens to the bot itself.
 *
 * It refuses nobody, and sees every update before any other guard of its chain refuses it, so that it also tells of
 * members who are blocked. Handlers of one update run one after another and are awaited, in the order of their
 * registration, before the update goes on; what one throws is told as an `error` event and stops nothing. An update
 * that Telegram sends twice is told twice. `ctx.sentinel` is not there yet.
 *
 * A user who blocks the bot holds the mark `unreachable` until they let it write again.
 *
 * Telegram sends `chat_member` only to administrators, and only if asked: `guard.install(bot)` asks. The guard wants
 * it even without handlers, since what is remembered of a chat's administrators ends with a promotion.
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
  const { unreachable = true, roster = false } = parseOptions('membership', membershipOptions, options)
  let current: { readonly house: House; readonly tell: Tell } | undefined
  const registrations = new Set<Registration<C>>()
  const events = new Set<House['events']>()

  const guard = guardOf<C>({
    name: 'membership',
    wire({ house }) {
      events.add(house.events)
      const failed = (error: unknown, during: string): void => house.events.tell('error', { error, during })
      const listensToMembers = (): boolean =>
        house.events.heard('membership') ||
        [...registrations].some((registration) =>
          [...registration.events].some((event) => !OF_THE_BOT.has(event)),
        )

      const tell = async (transitions: readonly Transition<TransitionEvent, C>[], bot: number) => {
        if (unreachable) await markReach(house, bot, transitions, failed)
        const silent = transitions.find(losesSight)
        if (silent !== undefined && listensToMembers()) warnOfSilence(house, silent.chat.id)
        for (const transition of transitions) {
          house.events.tell('membership', transition)
          for (const registration of [...registrations]) {
            if (!registrations.has(registration) || !registration.events.has(transition.event)) continue
            try {
              await registration.handler(transition)
            } catch (error) {
              failed(error, `membership.${transition.event}`)
            }
          }
        }
      }
      const noted = async (
        transitions: readonly Transition<TransitionEvent, C>[],
        bot: number,
      ): Promise<void> => {
        try {
          const { noteTransitions } = await keeping.load()
          await noteTransitions(house.storage.marks, bot, transitions as readonly Transition[])
        } catch (error) {
          failed(error, 'membership.roster')
        }
        await tell(transitions, bot)
      }
      current = { house, tell: tell as unknown as Tell }
      return {
        needs: KINDS,
        observes: ['membership'],
        observe(facts, ctx): MaybePromise<void> {
          if (facts.activity !== 'membership') return
          house.chatRoles.observe(facts, ctx)
          const { now } = reading
          const seen = ({ transitionsOf }: NonNullable<typeof now>): MaybePromise<void> => {
            const transitions = transitionsOf(facts, ctx)
            if (transitions.length === 0) return
            return roster ? noted(transitions, ctx.me.id) : tell(transitions, ctx.me.id)
          }
          return now === undefined ? reading.load().then(seen) : seen(now)
        },
      }
    },
  })

  return withRegistration(guard, {
    async reconcile(source: MemberSource, chat: number, own?: ReconcileOptions) {
      if (current === undefined || !roster) throw noRoster(current === undefined)
      const { reconcile } = await comparing.load()
      return reconcile(current.house, current.tell, source, chat, own)
    },
    get listened() {
      return registrations.size > 0 || [...events].some((told) => told.heard('membership'))
    },
    on<E extends TransitionEvent>(
      event: E | readonly E[],
      handler: (transition: Transition<E, C>) => unknown,
    ) {
      const registration: Registration<C> = {
        events: checkedEvents(event),
        // It is told only the events it asked for.
        handler: checkedHandler(handler) as Registration<C>['handler'],
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
      : 'membership.reconcile: nobody keeps who belongs to which chat. Turn that on: membership: { roster: true }.',
  )
}

/** A getter on a function: assigned, it would be read once. */
function withRegistration<G extends object, M extends object>(guard: G, members: M): G & M {
  return Object.defineProperties(guard, Object.getOwnPropertyDescriptors(members)) as G & M
}

/** Marks who can no longer be written to. The update itself says so: no message costs a trip. */
async function markReach(
  house: House,
  bot: number,
  transitions: readonly Transition[],
  failed: (error: unknown, during: string) => void,
): Promise<void> {
  for (const { event, member, at } of transitions) {
    if (event !== 'botBlocked' && event !== 'botUnblocked') continue
    const key = userKey(member.id)
    const { marks } = house.storage
    try {
      if (event === 'botBlocked') await marks.put(bot, UNREACHABLE, [{ key, mark: { since: at } }])
      else await marks.remove(bot, UNREACHABLE, [key])
    } catch (error) {
      failed(error, 'membership.unreachable')
    }
  }
}

/** Whether the bot came to a chat, or stays in it, as an ordinary member. */
function losesSight({ event, after }: Transition): boolean {
  return (event === 'botAdded' || event === 'botDemoted') && after?.status !== 'administrator'
}

function warnOfSilence(house: House, chat: number): void {
  house.warn(
    'membership.undelivered',
    `The bot is no administrator of chat ${chat}, so chat_member updates of it do not arrive: handlers for 'joined', 'left' and the like stay silent there. Make the bot an administrator of that chat.`,
  )
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
    `membership.on: ${shown(handler)} is no handler. Pass a function of the transition.`,
  )
}
