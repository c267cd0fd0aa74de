import type { MessageEntity } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'

/** Converts entities; drops those that MTProto does not have (https://core.telegram.org/type/MessageEntity). */
export function entitiesOf(entities: readonly MessageEntity[] = []): readonly TlObject[] {
  return entities.map(entityOf).filter((entity) => entity !== undefined)
}

const ENTITIES: Partial<Record<MessageEntity['type'], string>> = {
  mention: 'messageEntityMention',
  hashtag: 'messageEntityHashtag',
  cashtag: 'messageEntityCashtag',
  bot_command: 'messageEntityBotCommand',
  url: 'messageEntityUrl',
  email: 'messageEntityEmail',
  phone_number: 'messageEntityPhone',
  bold: 'messageEntityBold',
  italic: 'messageEntityItalic',
  underline: 'messageEntityUnderline',
  strikethrough: 'messageEntityStrike',
  spoiler: 'messageEntitySpoiler',
  blockquote: 'messageEntityBlockquote',
  expandable_blockquote: 'messageEntityBlockquote',
  code: 'messageEntityCode',
}

function entityOf(entity: MessageEntity): TlObject | undefined {
  const { offset, length } = entity
  if (entity.type === 'pre') {
    return { _: 'messageEntityPre', offset, length, language: entity.language ?? '' }
  }
  if (entity.type === 'text_link') return { _: 'messageEntityTextUrl', offset, length, url: entity.url }
  if (entity.type === 'text_mention') {
    return { _: 'messageEntityMentionName', offset, length, user_id: BigInt(entity.user.id) }
  }
  const name = ENTITIES[entity.type]
  if (name === undefined) return undefined
  return { _: name, offset, length, ...(entity.type === 'expandable_blockquote' && { collapsed: true }) }
}
