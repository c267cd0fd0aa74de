import type { Context } from 'grammy'
import type { MaybePromise } from '../../core/check.js'
import type { Facts } from '../../core/facts.js'
import { later } from '../../core/later.js'
import { tellAdministratorsChanged } from '../exempt/administrator-changes.js'
import type { Services } from '../services.js'
import { noteReach } from './reach.js'
import { TRANSITION_EVENTS } from './transition-events.js'
import { type Transition, type TransitionEvent, transitionsOf } from './transitions.js'

const keeping = later('membership.roster', () => import('./roster.js'))

/** Events about the bot itself, which arrive from every chat. */
const OF_THE_BOT: ReadonlySet<TransitionEvent> = new Set(
  TRANSITION_EVENTS.filter((event) => event.startsWith('bot')),
)

/** A handler and the events it is registered for. */
export interface Registration {
  readonly events: ReadonlySet<TransitionEvent>
  readonly handler: (transition: Transition) => unknown
}

/** What to do with membership updates. */
interface NewsSettings {
  readonly unreachable: boolean
  readonly roster: boolean
  readonly registrations: ReadonlySet<Registration>
}

/** Reads transitions from updates, records them in the roster if asked to, and calls handlers. */
export class MemberNews {
  constructor(
    readonly services: Services,
    private readonly settings: NewsSettings,
  ) {}

  /** @param isShared Whether other processes must forget the administrators of the chat. */
  read(facts: Facts, ctx: Context, isShared: boolean): MaybePromise<void> {
    if (isShared && facts.chatId !== undefined)
      tellAdministratorsChanged(this.services, ctx.me.id, facts.chatId)
    const transitions = transitionsOf(facts, ctx)
    if (transitions.length === 0) return
    return this.settings.roster ? this.note(transitions, ctx.me.id) : this.tell(transitions, ctx.me.id)
  }

  /** Calls handlers one after another; an exception of one stops nothing. */
  readonly tell = async (transitions: readonly Transition[], bot: number): Promise<void> => {
    const { services } = this
    const { unreachable, registrations } = this.settings
    if (unreachable) await noteReach(services, bot, transitions)
    const silent = transitions.find(losesSight)
    if (silent !== undefined && this.listensToMembers()) warnOfSilence(services, silent.chat.id)
    for (const transition of transitions) {
      services.events.tell('membership', transition)
      for (const registration of [...registrations]) {
        if (!registrations.has(registration) || !registration.events.has(transition.event)) continue
        try {
          await registration.handler(transition)
        } catch (error) {
          this.services.failed(error, `membership.${transition.event}`)
        }
      }
    }
  }

  private async note(transitions: readonly Transition[], bot: number): Promise<void> {
    try {
      const { noteTransitions } = await keeping.load()
      await noteTransitions(this.services.storage.marks, bot, transitions)
    } catch (error) {
      this.services.failed(error, 'membership.roster')
    }
    await this.tell(transitions, bot)
  }

  private listensToMembers(): boolean {
    return (
      this.services.events.heard('membership') ||
      [...this.settings.registrations].some(({ events }) =>
        [...events].some((event) => !OF_THE_BOT.has(event)),
      )
    )
  }
}

/** Whether the bot is in a chat as an ordinary member from now on, so that it gets no `chat_member` updates. */
function losesSight({ event, after }: Transition): boolean {
  return (event === 'botAdded' || event === 'botDemoted') && after?.status !== 'administrator'
}

function warnOfSilence(services: Services, chat: number): void {
  services.warn(
    'membership.undelivered',
    `The bot is not an administrator of chat ${chat}, so chat_member updates of it do not arrive: handlers for 'joined', 'left' and the like stay silent there. Make the bot an administrator of that chat.`,
  )
}
