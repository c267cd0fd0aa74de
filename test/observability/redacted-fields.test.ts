import { redaction } from '../../src/observability/logging/redaction.js'
import type { Expression, Field } from '../../src/telegram/bot-api/schema/expression.js'
import { fieldsOf, typeNamed } from '../../src/telegram/bot-api/schema/schema.js'

/**
 * All texts of an update that logs keep. A field that a new Bot API adds fails the test below until it is hidden, or listed here.
 * Fields whose names are used for several things are listed with their object.
 */
const KEPT = {
  namesOfPeopleAndChats: [
    ...['first_name', 'last_name', 'username', 'sender_user_name', 'author_signature'],
    ...['sender_tag', 'custom_title', 'ChatMemberMember.tag', 'ChatMemberRestricted.tag'],
    ...['Chat.GroupChat', 'Chat.SupergroupChat', 'Chat.ChannelChat', 'ChatShared'].map((of) => `${of}.title`),
    ...['Community.name', 'ChatInviteLink.name'],
  ],
  ids: [
    ...['id', 'file_id', 'file_unique_id', 'media_group_id', 'inline_message_id', 'business_connection_id'],
    ...[
      'guest_query_id',
      'query_id',
      'poll_id',
      'persistent_id',
      'option_persistent_id',
      'option_persistent_ids',
    ],
    ...['reply_to_poll_option_id', 'boost_id', 'effect_id', 'gift_id', 'owned_gift_id', 'chat_instance'],
    ...['custom_emoji_id', 'icon_custom_emoji_id', 'model_custom_emoji_id', 'symbol_custom_emoji_id'],
    ...['telegram_payment_charge_id', 'provider_payment_charge_id'],
  ],
  wordsOfBots: [
    ...['data', 'callback_data', 'game_short_name', 'result_id', 'shipping_option_id', 'start_parameter'],
    ...[
      'switch_inline_query',
      'switch_inline_query_current_chat',
      'forward_text',
      'bot_username',
      'web_app_name',
    ],
    ...['Game.title', 'Game.description', 'Invoice.title', 'Invoice.description', 'InlineQuery.offset'],
    ...['LoginUrl.url', 'InlineKeyboardButton.UrlButton.url', 'WebAppInfo.url', 'connected_website'],
  ],
  wordsOfTelegram: [
    ...[
      'MessageEntity.AbstractMessageEntity.type',
      'SuggestedPostRefunded.reason',
      'language_code',
      'currency',
    ],
    ...['country_codes', 'emoji', 'set_name', 'mime_type', 'codec', 'file_path', 'theme_name'],
    ...['base_name', 'UniqueGift', 'UniqueGiftModel', 'UniqueGiftSymbol', 'UniqueGiftBackdrop'].map((of) =>
      of.startsWith('Unique') ? `${of}.name` : of,
    ),
  ],
}
const HIDDEN = '[redacted]'
const WORDS = 'what somebody wrote'
const AMBIGUOUS = ['title', 'description', 'name', 'url', 'type', 'tag', 'offset', 'reason', 'language']
const { entry } = redaction({ texts: false, hide: [] })

/** Returns the fields of all objects in an update that still contain text after redaction. */
function keptIn(root: string): Set<string> {
  const kept = new Set<string>()
  const visited = new Set<string>()

  const visitObject = (owner: string, fields: ReadonlyMap<string, Field>): void => {
    const samples = Object.fromEntries([...fields.values()].map(({ name, type }) => [name, sampleOf(type)]))
    for (const { name, type } of fields.values()) {
      // This field comes first, since only a limited number of fields is logged. The others tell redaction what object it is.
      const { [name]: shown } = entry({ [name]: samples[name], ...samples })
      if (shown === HIDDEN) continue
      if (textIn(shown)) kept.add(AMBIGUOUS.includes(name) ? `${owner}.${name}` : name)
      visit(type, `${owner}/${name}`)
    }
  }
  const visit = (type: Expression, owner: string): void => {
    if (type.kind === 'name') {
      if (visited.has(type.name)) return
      visited.add(type.name)
      visit(typeNamed(type.name), type.name)
    } else if (type.kind === 'list') visit(type.of, owner)
    else if (type.kind === 'union') for (const each of type.of) visit(each, owner)
    else {
      const fields = fieldsOf(type)
      if (fields !== undefined) visitObject(owner, fields)
      // Extended types and members of intersections are also checked by themselves.
      if (type.kind === 'both') for (const each of type.of) visit(each, owner)
    }
  }
  visit({ kind: 'name', name: root }, root)
  return kept
}

/** Creates a value of a type with what redaction looks at: its texts, its literals, and whether it is an object. */
function sampleOf(type: Expression): unknown {
  switch (type.kind) {
    case 'string':
      return WORDS
    case 'literal':
      return type.value
    case 'list':
      return [sampleOf(type.of)]
    case 'union':
    case 'both': {
      const samples = type.of.map(sampleOf)
      return samples.find((sample) => textIn(sample)) ?? samples[0]
    }
    default:
      return {}
  }
}

function textIn(value: unknown): boolean {
  return Array.isArray(value) ? value.some(textIn) : value === WORDS
}

test('redaction keeps only those texts of an update that are known not to be written by people', () => {
  const kept = keptIn('Update')
  const known = Object.values(KEPT).flat()
  expect([...kept].filter((field) => !known.includes(field))).toEqual([])
  expect(known.filter((field) => !kept.has(field))).toEqual([])
})
