import type { Update, User } from 'grammy/types'
import { Facts, type Reading } from '../core/facts.js'
import type { SubjectRef } from '../core/subject.js'
import { JsonScanner } from './json-scanner.js'

/** Not to be read: whatever else it may mean, the update is parsed. */
const DOUBT = undefined
/** Says nothing about who acts or what kind of update it is. */
const SKIPPED = 1
/** Somebody, or a chat: their id and type count. */
const PARTY = 2
/** A text, of which counts whether it may be a command. */
const WORDS = 3
/** A plain text that counts as a whole. */
const PLAIN = 4

type Role = typeof SKIPPED | typeof PARTY | typeof WORDS | typeof PLAIN
type Roles = ReadonlyMap<string, Role>

const skipped = (...names: readonly string[]): [string, Role][] => names.map((name) => [name, SKIPPED])

/**
 * All that messages of people commonly hold. What is missing here is in doubt: service messages, payments, automatic forwards,
 * messages of business accounts, and whatever Telegram thinks of next.
 */
const MESSAGE: Roles = new Map([
  ['from', PARTY],
  ['chat', PARTY],
  ['sender_chat', PARTY],
  ['text', WORDS],
  ['caption', WORDS],
  ['media_group_id', PLAIN],
  ...skipped('message_id', 'date', 'edit_date', 'message_thread_id', 'is_topic_message', 'entities'),
  ...skipped('caption_entities', 'link_preview_options', 'reply_to_message', 'external_reply', 'quote'),
  ...skipped('forward_origin', 'reply_to_story', 'via_bot', 'has_protected_content', 'sender_boost_count'),
  ...skipped('author_signature', 'effect_id', 'has_media_spoiler', 'show_caption_above_media', 'sticker'),
  ...skipped('photo', 'video', 'animation', 'document', 'audio', 'voice', 'video_note', 'contact'),
  ...skipped('location', 'venue', 'dice', 'reply_markup', 'reply_to_checklist_task_id', 'sender_tag'),
])

const INLINE: Roles = new Map([['from', PARTY], ...skipped('id', 'query', 'offset', 'chat_type', 'location')])

const REACTION: Roles = new Map([
  ['chat', PARTY],
  ['user', PARTY],
  ['actor_chat', PARTY],
  ...skipped('message_id', 'date', 'old_reaction', 'new_reaction'),
])

/** Kinds that may be decided about unparsed. A refused tap is to be answered, which takes the parsed update. */
const KINDS: ReadonlyMap<string, Roles> = new Map([
  ['message', MESSAGE],
  ['edited_message', MESSAGE],
  ['inline_query', INLINE],
  ['message_reaction', REACTION],
])

type Fields = Record<string, unknown>

/** What a body tells before it is parsed. Whoever asks it for more than it has read finds it `doubted`. */
export class Glimpse extends Facts {
  doubted = false

  constructor(
    update: Update,
    reading: Reading,
    /** A text or caption begins with a slash. */
    private readonly mayCommand: boolean,
  ) {
    super(update, reading)
  }

  override get command(): string | undefined {
    if (this.mayCommand) this.doubted = true
    return undefined
  }

  override get fingerprint(): number | undefined {
    return this.doubt()
  }

  override get target(): User | undefined {
    return this.doubt()
  }

  override get repliedTo(): SubjectRef | undefined {
    return this.doubt()
  }

  override get user(): User | undefined {
    return this.doubt()
  }

  override get languageCode(): string | undefined {
    return this.doubt()
  }

  private doubt(): undefined {
    this.doubted = true
    return undefined
  }
}

/**
 * Reads, off the raw text of an update, who acts and what they do: by the rules of {@link Facts}, from those fields of the update
 * itself that the rules look at, never from a nested message. Undefined where in doubt: an unusual kind or field, a name that is
 * escaped or comes twice, anything that is no JSON.
 */
export function glimpse(text: string, reading: Reading): Glimpse | undefined {
  const scanner = new JsonScanner(text)
  const update: Fields = {}
  if (!scanner.opens()) return undefined
  let mayCommand = false
  do {
    const name = scanner.key()
    if (name === undefined || name in update) return undefined
    if (name === 'update_id') {
      const id = scanner.integer()
      if (id === undefined) return undefined
      update.update_id = id
      continue
    }
    const roles = KINDS.get(name)
    // Of two kinds the likelier is read; here it is enough that it is odd.
    if (roles === undefined || 'kind' in update) return undefined
    const payload = payloadOf(scanner, roles)
    if (payload === undefined) return undefined
    mayCommand = payload.mayCommand === true
    update[name] = payload
    update.kind = name
  } while (scanner.comma())
  if (!scanner.closes() || !scanner.ends() || !('kind' in update)) return undefined
  return new Glimpse(update as unknown as Update, reading, mayCommand)
}

/** The fields of a payload that count. */
function payloadOf(scanner: JsonScanner, roles: Roles): Fields | undefined {
  if (!scanner.opens()) return undefined
  const payload: Fields = {}
  do {
    const name = scanner.key()
    if (name === undefined) return undefined
    const role = roles.get(name)
    if (role === DOUBT) return undefined
    if (role === SKIPPED) {
      if (!scanner.value()) return undefined
      continue
    }
    if (name in payload) return undefined
    const value = readAs(scanner, role)
    if (value === undefined) return undefined
    if (value === SLASHED) payload.mayCommand = true
    payload[name] = value
  } while (scanner.comma())
  return scanner.closes() ? payload : undefined
}

/** Stands for a text that may be a command: what it says is not read. */
const SLASHED = ' '
/** Stands for any other text. */
const SAID = ''

function readAs(scanner: JsonScanner, role: Role): unknown {
  if (role === PARTY) return partyOf(scanner)
  if (role === PLAIN) return scanner.plainString()
  scanner.space()
  const first = scanner.text.charCodeAt(scanner.at + 1)
  if (!scanner.string()) return undefined
  // A slash, or an escape that may stand for one.
  return first === 47 || first === 92 ? SLASHED : SAID
}

/** The id of somebody, and of which type they are. */
function partyOf(scanner: JsonScanner): Fields | undefined {
  if (!scanner.opens()) return undefined
  const party: Fields = {}
  do {
    const name = scanner.key()
    if (name === undefined) return undefined
    if (name !== 'id' && name !== 'type') {
      if (!scanner.value()) return undefined
      continue
    }
    if (name in party) return undefined
    const value = name === 'id' ? scanner.integer() : scanner.plainString()
    if (value === undefined) return undefined
    party[name] = value
  } while (scanner.comma())
  return scanner.closes() ? party : undefined
}
