import type { tl } from '@mtcute/core'
import type { MessageEntity } from 'grammy/types'
import { type Peers, userOf } from './people.js'

const ENTITIES: Readonly<Record<string, MessageEntity['type']>> = {
  messageEntityMention: 'mention',
  messageEntityHashtag: 'hashtag',
  messageEntityCashtag: 'cashtag',
  messageEntityBotCommand: 'bot_command',
  messageEntityUrl: 'url',
  messageEntityEmail: 'email',
  messageEntityPhone: 'phone_number',
  messageEntityBold: 'bold',
  messageEntityItalic: 'italic',
  messageEntityUnderline: 'underline',
  messageEntityStrike: 'strikethrough',
  messageEntitySpoiler: 'spoiler',
  messageEntityCode: 'code',
}

/** Converts entities; drops those that the Bot API does not have, and mentions of users whom the update does not describe. */
export function entitiesOf(
  entities: readonly tl.TypeMessageEntity[] = [],
  peers: Peers = new Map(),
): MessageEntity[] {
  return entities.map((entity) => entityOf(entity, peers)).filter((entity) => entity !== undefined)
}

function entityOf(entity: tl.TypeMessageEntity, peers: Peers): MessageEntity | undefined {
  const { offset, length } = entity
  switch (entity._) {
    case 'messageEntityMentionName': {
      const user = userOf(entity.userId, peers)
      return user === undefined ? undefined : { type: 'text_mention', offset, length, user }
    }
    case 'messageEntityPre':
      return {
        type: 'pre',
        offset,
        length,
        ...(entity.language !== '' && { language: entity.language }),
      }
    case 'messageEntityTextUrl':
      return { type: 'text_link', offset, length, url: entity.url }
    case 'messageEntityBlockquote':
      return { type: entity.collapsed === true ? 'expandable_blockquote' : 'blockquote', offset, length }
    case 'messageEntityCustomEmoji':
      return { type: 'custom_emoji', offset, length, custom_emoji_id: entity.documentId.toString() }
    default: {
      const type = ENTITIES[entity._]
      return type === undefined ? undefined : ({ type, offset, length } as MessageEntity)
    }
  }
}
