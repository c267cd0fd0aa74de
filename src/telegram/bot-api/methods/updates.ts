import { isIP } from 'node:net'
import type { BotCommand, WebhookInfo } from 'grammy/types'
import { describeChat } from '../../world/chats/chats.js'
import { commandsKey } from '../../world/messages/ephemeral.js'
import { badRequest, Refusal } from '../../world/refusal.js'
import type { UpdateKind } from '../../world/updates.js'
import { assertPresent, type Call, chatOf, languageIn, type Methods } from '../call.js'
import { Params } from '../params.js'
import { fieldsOf, typeNamed } from '../schema/schema.js'

export const updateMethods: Methods = {
  getMe: ({ bot }) => bot.me,

  getUpdates({ bot, params, link, signal }) {
    if (link.webhook !== undefined)
      throw new Refusal(
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
      )
    bot.queue.allow(allowedUpdates(params))
    return link.polling.poll({
      offset: params.integer('offset') ?? 0,
      limit: Math.min(Math.max(params.integer('limit') ?? 100, 1), 100),
      timeout: Math.max(params.integer('timeout') ?? 0, 0),
      signal,
    })
  },

  setWebhook({ bot, params, link }) {
    const url = params.text('url') ?? ''
    if (params.flag('drop_pending_updates')) bot.queue.forgetAllBut(0)
    if (url === '') {
      link.deleteWebhook()
      return true
    }
    link.checkWebhookUrl(url)
    const certificate = params.text('certificate') ?? 'certificate'
    const secretToken = params.text('secret_token')
    if (secretToken !== undefined && !/^[\w-]{0,256}$/.test(secretToken))
      throw badRequest(
        secretToken.length > 256 ? 'secret token is too long' : 'secret token contains unallowed characters',
      )
    const ipAddress = params.has('ip_address') ? params.text('ip_address') : undefined
    if (ipAddress !== undefined) checkIpAddress(ipAddress)
    bot.queue.allow(allowedUpdates(params))
    link.setWebhook({
      url,
      secretToken: secretToken === '' ? undefined : secretToken,
      maxConnections: Math.min(Math.max(params.integer('max_connections') ?? 40, 1), 100),
      // Stored only so that getWebhookInfo returns them: deliveries use neither.
      ipAddress,
      hasCertificate: params.upload(certificate.replace(/^attach:\/\//, '')) !== undefined,
    })
    return true
  },

  deleteWebhook({ bot, params, link }) {
    if (params.flag('drop_pending_updates')) bot.queue.forgetAllBut(0)
    link.deleteWebhook()
    return true
  },

  getWebhookInfo({ bot, link }): WebhookInfo {
    const { allowed } = bot.queue
    return {
      url: link.webhook?.settings.url ?? '',
      has_custom_certificate: false,
      pending_update_count: bot.queue.size,
      ...link.webhook?.info(),
      ...(allowed !== undefined && { allowed_updates: [...allowed] }),
    }
  },

  setMyCommands(call) {
    const commands = call.params.objects('commands') ?? []
    if (commands.length > 100) throw badRequest('too much commands specified')
    call.bot.commands.set(scopeKey(call), commands.map(readCommand))
    return true
  },

  getMyCommands: (call) => [...(call.bot.commands.get(scopeKey(call)) ?? [])],

  deleteMyCommands(call) {
    call.bot.commands.delete(scopeKey(call))
    return true
  },
}

/** Like check_ip_address in WebhookActor.cpp, but takes reserved addresses, which tests use. */
function checkIpAddress(given: string): void {
  const version = isIP(given)
  if (version === 0) throw badRequest('bad webhook: Invalid IP address specified')
  if (version === 6) throw badRequest('bad webhook: IPv6-only addresses are not allowed')
}

/**
 * Like get_allowed_update_types of tdlib/telegram-bot-api (Client.cpp): names in any case, unknown names are ignored; undefined
 * (no change) unless the value is an array of strings.
 */
function allowedUpdates(params: Call['params']): readonly UpdateKind[] | undefined {
  const given = readable(params, 'allowed_updates')
  if (!Array.isArray(given) || !given.every((kind) => typeof kind === 'string')) return undefined
  const named = new Set(given.map((kind) => kind.toLowerCase()))
  return updateKinds().filter((kind) => named.has(kind))
}

/** Treats invalid JSON as absent. */
function readable(params: Call['params'], name: string): unknown {
  try {
    return params.json(name)
  } catch (error) {
    if (error instanceof Refusal) return undefined
    throw error
  }
}

let kinds: readonly UpdateKind[] | undefined

/** Computed on first use. */
function updateKinds(): readonly UpdateKind[] {
  kinds ??= [...(fieldsOf(typeNamed('Update'))?.keys() ?? [])].filter(
    (name): name is UpdateKind => name !== 'update_id',
  )
  return kinds
}

function readCommand(given: Record<string, unknown>): BotCommand {
  const command = String(given.command ?? '').replace(/^\//, '')
  const description = String(given.description ?? '').trim()
  if (!/^[a-z0-9_]{1,32}$/.test(command)) throw badRequest('BOT_COMMAND_INVALID')
  if (description === '') throw badRequest('command description must be non-empty')
  if (description.length > 256) throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID')
  return {
    command,
    description,
    ...(typeof given.is_ephemeral === 'boolean' && { is_ephemeral: given.is_ephemeral }),
  }
}

/**
 * Storage key of a command scope. For chat scopes the bot must be in the chat; a username and an id of the same chat give the
 * same key (check_bot_command_scope in Client.cpp).
 */
function scopeKey(call: Call): string {
  const language = languageIn(call)
  const { type = 'default', ...rest } = call.params.object('scope') ?? {}
  if (!String(type).startsWith('chat')) return commandsKey(String(type), language)
  const named = { ...call, params: Params.of(rest) }
  const chat = chatOf(named)
  // Commands can be set for a person who has not written to the bot yet.
  if (chat.kind !== 'private') assertPresent(named, chat)
  return commandsKey(String(type), language, describeChat(chat).id, rest.user_id)
}
