import { API_CONSTANTS, type Api } from 'grammy'
import type { Services } from '../services.js'

const BY_DEFAULT: readonly string[] = API_CONSTANTS.DEFAULT_UPDATE_TYPES
/** Update kinds that Telegram delivers only on request. */
const NOT_BY_DEFAULT: ReadonlySet<string> = new Set([
  'chat_member',
  'message_reaction',
  'message_reaction_count',
])

/**
 * Compares what Telegram delivers with what is needed, and warns about missing kinds. `getWebhookInfo` works for polling, too,
 * since Telegram keeps one setting for both.
 */
export async function compareDelivery(
  api: Pick<Api, 'getWebhookInfo'>,
  needs: readonly string[],
  { installed, wanted }: { readonly installed: boolean; readonly wanted: boolean },
  warn: Services['warn'],
): Promise<void> {
  const { url, allowed_updates: allowed = [] } = await api.getWebhookInfo()
  const comes = (kind: string): boolean =>
    // An empty or absent list stands for Telegram's default.
    allowed.length === 0 ? !NOT_BY_DEFAULT.has(kind) : (allowed as readonly string[]).includes(kind)
  const missing = needs.filter((kind) => !comes(kind))
  if (missing.length === 0) return
  const kinds = missing.join(', ')
  const list = JSON.stringify([
    ...new Set<string>([...(allowed.length === 0 ? BY_DEFAULT : allowed), ...missing]),
  ])
  if (url !== undefined && url !== '') {
    const isMembershipAlone = !wanted && needs.includes('my_chat_member')
    const without = isMembershipAlone ? ' If you need neither: sentinel({ membership: false }).' : ''
    warn(
      'delivery.webhook',
      `The webhook that is set does not deliver ${kinds}, so handlers for members stay silent, and changes of administrators are noticed ten minutes late. Call setWebhook again with allowed_updates: ${list}, or on the api of the bot that guard.install(bot) was called with.${without}`,
    )
  } else if (!installed) {
    warn(
      'delivery.notInstalled',
      `Telegram does not deliver ${kinds}, so handlers for members stay silent. Call guard.install(bot) in place of bot.use(guard), or pass allowed_updates: ${list} to bot.start() or the runner.`,
    )
  }
}
