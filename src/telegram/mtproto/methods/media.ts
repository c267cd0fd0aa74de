import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Content } from '../../world/messages/content.js'
import { LONGEST_CAPTION, post } from '../../world/messages/posting.js'
import type { AccountCall, AccountMethod } from '../call.js'
import { badRequest } from '../rpc-error.js'
import { chatOf } from './shared/input-peers.js'
import { repliedBy, sentAs } from './shared/sending.js'
import { assertMayWrite } from './shared/writing.js'

/** "Up to 10 in an album" (https://core.telegram.org/method/messages.sendMultiMedia). */
const MOST_OF_ALBUM = 10

export const MEDIA = {
  'messages.sendMedia': async (call) => {
    const { centre, session, account, request } = call
    const { view } = centre
    const randomId = request.random_id as bigint
    const stored = await view.randomIds.once(account, randomId, async () => {
      const chat = chatOf(centre, account, request.peer as TlObject)
      const content = await contentOf(call, request.media as TlObject, request.message as string)
      assertMayWrite(centre.world, chat, account, content)
      const replyTo = repliedBy(call, chat)
      return view.subscriptions.during(session, () =>
        post(centre.world, chat, { author: account, content, replyTo }),
      )
    })
    return sentAs(centre, account, [{ stored, randomId }])
  },
  'messages.sendMultiMedia': async (call) => {
    const { centre, session, account, request } = call
    const { view, world } = centre
    const items = request.multi_media as readonly TlObject[]
    if (items.length === 0 || items.length > MOST_OF_ALBUM) throw badRequest('MULTI_MEDIA_TOO_LONG')
    const randomIds = items.map((item) => item.random_id as bigint)
    const sent = await view.randomIds.together(account, randomIds, async () => {
      const chat = chatOf(centre, account, request.peer as TlObject)
      const contents: Content[] = []
      for (const { media, message } of items)
        contents.push(await contentOf(call, media as TlObject, message as string))
      if (new Set(contents.map(sortOf)).size > 1) throw badRequest('MEDIA_GROUPED_INVALID')
      for (const content of contents) assertMayWrite(world, chat, account, content)
      const replyTo = repliedBy(call, chat)
      const album = items.length === 1 ? {} : { media_group_id: world.nextAlbumId() }
      return view.subscriptions.during(session, () =>
        contents.map((content) =>
          post(world, chat, { author: account, content: { ...content, ...album }, replyTo }),
        ),
      )
    })
    return sentAs(
      centre,
      account,
      sent.map((stored, nth) => ({ stored, randomId: randomIds[nth] as bigint })),
    )
  },
  'messages.uploadMedia': async (call) => {
    const { centre, account, request } = call
    chatOf(centre, account, request.peer as TlObject)
    const content = await contentOf(call, request.media as TlObject, '')
    return centre.view.media.ofMessage(account, content) ?? { _: 'messageMediaEmpty' }
  },
} as const satisfies Record<string, AccountMethod>

/** Audio files and documents can only be combined with their own kind. */
function sortOf({ audio, document, animation }: Content): 'sound' | 'document' | 'sight' {
  if (audio !== undefined) return 'sound'
  return document !== undefined && animation === undefined ? 'document' : 'sight'
}

async function contentOf(
  { centre, account }: AccountCall,
  media: TlObject,
  caption: string,
): Promise<Content> {
  if (caption.length > LONGEST_CAPTION) throw badRequest('MEDIA_CAPTION_TOO_LONG')
  const { view } = centre
  const content = await view.media.content(account, media, (input) => view.uploads.take(account.id, input))
  return caption === '' ? content : { ...content, caption }
}
