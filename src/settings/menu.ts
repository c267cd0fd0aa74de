import type { Context } from 'grammy'
import type { Facts } from '../core/facts.js'
import { later } from '../core/later.js'
import type { GuardDefinition, Wired } from '../middleware/guard.js'
import type { Services } from '../middleware/services.js'
import type { ChatSettings } from './chat-settings.js'
import { isOfMenu } from './choice.js'
import type { Menu } from './menu-of-chat.js'
import type { Tuning } from './settings-options.js'

const moving = later('chats', () => import('./moving.js'))
const drawing = later('settings', () => import('./menu-of-chat.js'))

/** Guard definitions that maintain chats rather than guard them: the move to a supergroup and the settings menu. */
export function ofChats(settings: ChatSettings): readonly GuardDefinition[] {
  const { tuned } = settings
  return tuned === undefined ? [MOVES] : [MOVES, settingsMenu(settings, tuned)]
}

/** A group that becomes a supergroup gets a new id, which Telegram announces in the old group. */
const MOVES: GuardDefinition = {
  name: 'chats',
  wire: ({ services }): Wired<Context> => ({
    observes: ['service'],
    observe({ activity }, { me, message }) {
      const to: unknown = activity === 'service' ? message?.migrate_to_chat_id : undefined
      if (message === undefined || typeof to !== 'number') return undefined
      return moving
        .load()
        .then(({ moveChat }) => moveChat(services, me.id, message.chat.id, to))
        .catch((error: unknown) => services.events.tell('error', { error, during: 'chats.migrate' }))
    },
  }),
}

/** The menu of `/sentinel`: recognizes its command and its taps. The rest is loaded only if chats may tune anything. */
function settingsMenu(settings: ChatSettings, tuning: Tuning): GuardDefinition {
  // Preloads the code; a failure is reported when the menu is used.
  Promise.all([drawing.load(), settings.register()]).catch(() => undefined)
  return {
    name: 'settings',
    wire: ({ services }): Wired<Context> => {
      const entrance = new MenuEntrance(services, settings, tuning)
      return {
        divert: (facts, ctx) => entrance.takes(facts, ctx),
      }
    },
  }
}

class MenuEntrance {
  constructor(
    private readonly services: Services,
    private readonly settings: ChatSettings,
    private readonly tuning: Tuning,
  ) {}

  /** Takes over updates that belong to the menu and handles them in the background. */
  takes(facts: Facts, ctx: Context): boolean {
    if (facts.kind === 'callback_query') {
      if (!isOfMenu(this.tuning.command, ctx.callbackQuery?.data)) return false
      this.aside((menu) => menu.tapped(facts, ctx))
      return true
    }
    if (facts.kind !== 'message' || facts.command !== this.tuning.command) return false
    this.aside((menu) => menu.asked(facts, ctx))
    return true
  }

  private aside(work: (menu: Menu) => Promise<void>): void {
    if (this.services.background.run('settings.menu', async () => work(await this.menu()))) return
    this.failed(new Error('too much under way'), 'settings.menu')
  }

  private async menu(): Promise<Menu> {
    const { Menu } = await drawing.load()
    return new Menu(this.services, await this.settings.register(), this.tuning)
  }

  private failed(error: unknown, during: string): void {
    this.services.events.tell('error', { error, during })
  }
}
