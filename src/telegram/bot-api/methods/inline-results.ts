import type { FileKind, StoredFile } from '../../world/media/files.js'
import { type MediaKind, mediaContent } from '../../world/media/media.js'
import { knownSticker } from '../../world/media/stickers.js'
import type { Content, InlineChoice } from '../../world/messages/content.js'
import { LONGEST_TEXT } from '../../world/messages/posting.js'
import { badRequest, Refusal } from '../../world/refusal.js'
import type { Call } from '../call.js'
import { Params } from '../params.js'
import { inlineKeyboard } from './buttons.js'
import { formattedText } from './content.js'
import { fileNamed } from './input-files.js'
import { invoiceTerms } from './invoice-terms.js'
import { captionOf, detailsOf } from './media.js'
import { contactOf, locationOf, pointOf } from './things.js'

/** The kind of file for each type of result, and the name of its field. */
const MEDIA: Readonly<Record<string, { readonly kind: MediaKind; readonly name: string }>> = {
  photo: { kind: 'photo', name: 'photo' },
  gif: { kind: 'animation', name: 'gif' },
  mpeg4_gif: { kind: 'animation', name: 'mpeg4' },
  video: { kind: 'video', name: 'video' },
  audio: { kind: 'audio', name: 'audio' },
  voice: { kind: 'voice', name: 'voice' },
  document: { kind: 'document', name: 'document' },
  sticker: { kind: 'sticker', name: 'sticker' },
}

/** Reads the results of an inline query into the messages they become when picked. */
export function readResults(call: Call): readonly InlineChoice[] {
  const results = call.params.objects('results') ?? []
  if (results.length > 50) throw badRequest('too many inline query results specified')
  const choices = results.map((result) => readResult(call, result))
  const ids = choices.map(({ id }) => id)
  if (ids.includes('')) throw badRequest('RESULT_ID_EMPTY')
  if (ids.some((id) => Buffer.byteLength(id) > 64)) throw badRequest('RESULT_ID_INVALID')
  if (new Set(ids).size !== ids.length) throw badRequest('RESULT_ID_DUPLICATE')
  return choices
}

function readResult(call: Call, given: Record<string, unknown>): InlineChoice {
  const params = Params.of(given)
  try {
    const said = contentOf(call, params)
    const markup = inlineKeyboard(params, { isInvoice: said.content.invoice !== undefined })
    return { id: params.text('id') ?? '', ...said, ...(markup && { markup }) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw badRequest(`can't parse inline query result: ${error.description.replace(/^Bad Request: /, '')}`)
  }
}

/** What a result says when picked. */
type Said = Pick<InlineChoice, 'content' | 'payload'>

function contentOf(call: Call, params: Params): Said {
  const type = params.text('type') ?? ''
  const file = fileIn(call, params, type)
  const instead = params.object('input_message_content')
  if (instead !== undefined) return spelledOut(call, Params.of(instead))
  if (file !== undefined) return { content: file }
  switch (type) {
    case 'article':
      throw badRequest('Input message content is not specified')
    case 'location':
      return { content: { location: locationOf(params) } }
    case 'venue':
      return { content: venueOf(params) }
    case 'contact':
      return { content: { contact: contactOf(params) } }
    default:
      throw badRequest(`type "${type}" is unsupported for the inline query result`)
  }
}

function fileIn(call: Call, params: Params, type: string): Content | undefined {
  if (!Object.hasOwn(MEDIA, type)) return undefined
  const { kind, name } = MEDIA[type] as { readonly kind: MediaKind; readonly name: string }
  const file = named(call, params, name, kind)
  if (file === undefined) throw badRequest(`Can't find field "${name}_file_id"`)
  const details = detailsOf(call, params)
  const content = mediaContent(kind, file, {
    ...details,
    sticker: knownSticker(call.world.stickerSets, file),
  })
  return kind === 'sticker' ? content : { ...content, ...captionOf(call, params) }
}

function named(call: Call, params: Params, name: string, kind: FileKind): StoredFile | undefined {
  return fileNamed(call, params.text(`${name}_file_id`) ?? params.text(`${name}_url`), kind)
}

/** Reads an InputMessageContent, whose type follows from the fields that are present. */
function spelledOut(call: Call, params: Params): Said {
  if (params.has('message_text')) {
    const text = {
      text: params.text('message_text'),
      parse_mode: params.text('parse_mode'),
      entities: params.list('entities'),
    }
    const parsed = formattedText(call.world, Params.of(text), 'text', LONGEST_TEXT)
    if (parsed.text === '') throw badRequest('Message text is empty')
    const { text: words, entities } = parsed
    return { content: { text: words, ...(entities.length > 0 && { entities }) } }
  }
  if (params.has('address')) return { content: venueOf(params) }
  if (params.has('latitude')) return { content: { location: locationOf(params) } }
  if (params.has('phone_number')) return { content: { contact: contactOf(params) } }
  if (params.has('payload')) {
    const { invoice, payload } = invoiceTerms(params)
    return { content: { invoice }, payload }
  }
  throw badRequest('Input message content is not specified')
}

function venueOf(params: Params): Content {
  const location = pointOf(params)
  const [title, address] = [params.text('title') ?? '', params.text('address') ?? '']
  return { location, venue: { location, title, address } }
}
