import type { Context } from 'grammy'
import type { Facts } from '../core/facts.js'
import { later } from '../core/later.js'
import type { GuardDefinition, Wired } from '../middleware/guard.js'
import type { House } from '../middleware/house.js'
import type { ChatSettings } from './chat-settings.js'
import { isOfMenu } from './choice.js'
import type { Menu } from './menu-of-chat.js'
import type { Tuning } from './settings-options.js'

const drawing = later('settings', () => import('./menu-of-chat.js'))

/** The menu of `/sentinel`: finds what is for it. What it does then is loaded where chats may tune anything. */
export function settingsMenu(settings: ChatSettings, tuning: Tuning): GuardDefinition {
  // Now rather than with the first who asks for it. Who fails here is told then.
  Promise.all([drawing.load(), settings.register()]).catch(() => undefined)
  return {
    name: 'settings',
    wire: ({ house }): Wired<Context> => {
      const entrance = new MenuEntrance(house, settings, tuning)
      return {
        observes: ['service'],
        observe: (_, ctx) => entrance.follow(ctx),
        divert: (facts, ctx) => entrance.takes(facts, ctx),
      }
    },
  }
}

class MenuEntrance {
  constructor(
    private readonly house: House,
    private readonly settings: ChatSettings,
    private readonly tuning: Tuning,
  ) {}

  /** Takes over what is for the menu; handled aside, as nothing waits for it. */
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

  /** A group that becomes a supergroup has another id; Telegram says so in the old one. */
  async follow(ctx: Context): Promise<void> {
    const message = ctx.message
    const to: unknown = message?.migrate_to_chat_id
    if (message === undefined || typeof to !== 'number') return
    try {
      const register = await this.settings.register()
      await register.move(ctx.me.id, message.chat.id, to)
    } catch (error) {
      this.failed(error, 'settings.migrate')
    }
  }

  private aside(work: (menu: Menu) => Promise<void>): void {
    if (this.house.background.run('settings.menu', async () => work(await this.menu()))) return
    this.failed(new Error('too much under way'), 'settings.menu')
  }

  private async menu(): Promise<Menu> {
    const { Menu } = await drawing.load()
    return new Menu(this.house, await this.settings.register(), this.tuning)
  }

  private failed(error: unknown, during: string): void {
    this.house.events.tell('error', { error, during })
  }
}
