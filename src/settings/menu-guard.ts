import type { Context } from 'grammy'
import type { Facts } from '../core/facts.js'
import { later } from '../core/later.js'
import type { GuardDefinition, Wired } from '../middleware/guard.js'
import { stopWebhookReplies } from '../middleware/services/bots.js'
import type { ChatSettings } from './chat-settings.js'
import { isOfMenu } from './choice.js'
import type { Menu } from './menu.js'
import type { Tuning } from './settings-options.js'

const drawing = later('settings', () => import('./menu.js'))

/** The menu of `/sentinel` as a guard; none if chats may not tune anything. */
export function menuOf(settings: ChatSettings): readonly GuardDefinition[] {
  const { tuned } = settings
  return tuned === undefined ? [] : [settingsMenu(settings, tuned)]
}

/** The menu of `/sentinel`: recognizes its command and its taps. The rest is loaded only if chats may tune anything. */
function settingsMenu(settings: ChatSettings, tuning: Tuning): GuardDefinition {
  // Preloads the code; a failure is reported when the menu is used.
  Promise.all([drawing.load(), settings.register()]).catch(() => undefined)
  return {
    name: 'settings',
    wire: ({ services }): Wired<Context> => {
      const aside = ({ chatId }: Facts, ctx: Context, work: (menu: Menu) => Promise<void>): true => {
        // The webhook request may end before the menu is shown.
        stopWebhookReplies(ctx)
        const handle = async (): Promise<void> => {
          const { Menu } = await drawing.load()
          await work(new Menu(services, await settings.register(), tuning))
        }
        const { background } = services
        const isRunning = background.runOrReport('settings.menu', handle, chatId)
        // The share of the chat is full, not necessarily that of all chats. Taps of one chat must not take all places.
        if (!isRunning && ctx.callbackQuery !== undefined && background.hasHalfFree)
          background.run('settings.menu', () => ctx.answerCallbackQuery())
        return true
      }
      return {
        /** Takes over updates that belong to the menu and handles them in the background. */
        divert(facts, ctx) {
          if (facts.kind === 'callback_query') {
            const isOurs = isOfMenu(tuning.command, ctx.callbackQuery?.data)
            return isOurs && aside(facts, ctx, (menu) => menu.tapped(facts, ctx))
          }
          const isAsked = facts.kind === 'message' && facts.command === tuning.command
          return isAsked && aside(facts, ctx, (menu) => menu.asked(facts, ctx))
        },
      }
    },
  }
}
