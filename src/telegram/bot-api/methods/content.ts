import type { LinkPreviewOptions, MessageEntity } from 'grammy/types'
import type { WorldChat } from '../../world/chats/chats.js'
import type { Content } from '../../world/messages/content.js'
import { LONGEST_CAPTION, LONGEST_TEXT } from '../../world/messages/posting.js'
import { assertMaySpeak } from '../../world/messages/speaking.js'
import { badRequest } from '../../world/refusal.js'
import { parseFormatted, settleText } from '../../world/text/formatting.js'
import type { Parsed } from '../../world/text/markdown.js'
import type { World } from '../../world/world.js'
import { type Call, presentChat } from '../call.js'
import { Params } from '../params.js'
import { readEntities } from './given-entities.js'

/** The chat a bot wants to write to, after checking that it may send this content there. */
export function writableChat(call: Call, content: Content): WorldChat {
  const chat = presentChat(call)
  assertMaySpeak(call.world, chat, call.bot, { content })
  return chat
}

/** The text of a parameter with its entities, parsed from a parse mode or from an entity list. */
export function formattedText(world: World, params: Params, name: string, longest: number): Parsed {
  const mode = params.text(name === 'text' || name === 'caption' ? 'parse_mode' : `${name}_parse_mode`) ?? ''
  const entities = name === 'text' ? 'entities' : `${name}_entities`
  const findUser = (id: number) => world.accounts.find(id)?.user
  const given = mode === '' ? readEntities(params.list(entities) ?? [], findUser) : []
  const parsed = parseFormatted(params.text(name) ?? '', mode, given, findUser)
  // Checked before searching for entities, because a body may hold 50 MB of text.
  if (parsed.text.trim().length > longest) throw badRequest(TOO_LONG.get(name) ?? `${name} is too long`)
  return settleText(parsed)
}

const TOO_LONG = new Map([
  ['text', 'message is too long'],
  ['caption', 'message caption is too long'],
])

export function textContent({ world, params }: Call): Content & { readonly text: string } {
  const { text, entities } = formattedText(world, params, 'text', LONGEST_TEXT)
  if (text === '') throw badRequest('message text is empty')
  const preview = previewOptions(params)
  return {
    text,
    ...(entities.length > 0 && { entities }),
    ...(preview !== undefined && { link_preview_options: preview }),
  }
}

/** The link preview options that have an effect; undefined if none has. */
function previewOptions(params: Params): LinkPreviewOptions | undefined {
  const given = params.object('link_preview_options')
  if (given === undefined) return undefined
  const parameters = Params.of(given)
  const on = PREVIEW_FLAGS.filter((name) => given[name] === true).map((name) => [name, true] as const)
  const url = parameters.text('url') ?? ''
  if (on.length === 0 && url === '') return undefined
  return { ...Object.fromEntries(on), ...(url !== '' && { url }) }
}

const PREVIEW_FLAGS = ['is_disabled', 'prefer_small_media', 'prefer_large_media', 'show_above_text'] as const

export function captionContent(
  world: World,
  params: Params,
): { caption?: string; caption_entities?: MessageEntity[] } {
  const { text, entities } = formattedText(world, params, 'caption', LONGEST_CAPTION)
  if (text === '') return {}
  return { caption: text, ...(entities.length > 0 && { caption_entities: entities }) }
}
