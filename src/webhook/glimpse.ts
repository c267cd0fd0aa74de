import type { Update, User } from 'grammy/types'
import { describe, Facts, type Reading } from '../core/facts.js'
import type { UpdateKind } from '../core/kinds.js'
import type { SubjectRef } from '../core/subject.js'
import { JsonScanner, type Name, named } from './json-scanner.js'
import { Parties, type Party } from './parties.js'

/** Fields that do not affect who acts or what kind of update it is. */
const SKIPPED = 0
/** Users and chats: only id and type are read. One bit for each role, since a field may occur only once. */
const FROM = 1
const CHAT = 2
const SENDER_CHAT = 4
const USER = 8
const ACTOR_CHAT = 16
/** Texts: it matters only whether they may begin with a command. */
const TEXT = 32
const CAPTION = 64
/** A string without escapes whose whole value is needed. */
const ALBUM = 128

/** The fields that a payload may have, by the hash of their names. */
type Fields = ReadonlyMap<number, { readonly name: Name; readonly role: number }>

function fieldsOf(roles: Readonly<Record<string, number>>, ...skipped: readonly string[]): Fields {
  const all = [...Object.entries(roles), ...skipped.map((name) => [name, SKIPPED] as const)]
  const entries = all.map(([name, role]) => ({ name: named(name), role }))
  const fields = new Map(entries.map((entry) => [entry.name.hash, entry]))
  // Two names with the same hash would hide each other.
  if (fields.size !== all.length) throw new Error('fields of an update share a digest')
  return fields
}

/**
 * All fields that ordinary messages of people have. Any other field makes the message doubtful: service messages, payments,
 * automatic forwards, messages of business accounts, and fields of future versions of the Bot API.
 */
const MESSAGE = fieldsOf(
  { from: FROM, chat: CHAT, sender_chat: SENDER_CHAT, text: TEXT, caption: CAPTION, media_group_id: ALBUM },
  ...['message_id', 'date', 'edit_date', 'message_thread_id', 'is_topic_message', 'entities'],
  ...['caption_entities', 'link_preview_options', 'reply_to_message', 'external_reply', 'quote'],
  ...['forward_origin', 'reply_to_story', 'via_bot', 'has_protected_content', 'sender_boost_count'],
  ...['author_signature', 'effect_id', 'has_media_spoiler', 'show_caption_above_media', 'sticker'],
  ...['photo', 'video', 'animation', 'document', 'audio', 'voice', 'video_note', 'contact'],
  ...['location', 'venue', 'dice', 'reply_markup', 'reply_to_checklist_task_id', 'sender_tag'],
)
const INLINE = fieldsOf({ from: FROM }, 'id', 'query', 'offset', 'chat_type', 'location')
const REACTION = fieldsOf(
  { chat: CHAT, user: USER, actor_chat: ACTOR_CHAT },
  ...['message_id', 'date', 'old_reaction', 'new_reaction'],
)

/** Kinds that can be decided before parsing. Taps cannot: a refused tap has to be answered, which takes the parsed update. */
const KINDS: ReadonlyMap<number, { readonly kind: Name; readonly fields: Fields }> = new Map(
  (
    [
      ['message', MESSAGE],
      ['edited_message', MESSAGE],
      ['inline_query', INLINE],
      ['message_reaction', REACTION],
    ] as const
  ).map(([kind, fields]) => [named(kind).hash, { kind: named(kind), fields }]),
)
const UPDATE_ID = named('update_id')
const ID = named('id')
const TYPE = named('type')

/** Facts read from a body before it is parsed. Reading any other fact parses the body and sets `doubted`. */
export class Glimpse extends Facts {
  /** Whether a fact was read that only the parsed update has. */
  doubted = false
  private real: Facts | undefined

  constructor(
    update: Update,
    private readonly read: Reading,
    private readonly text: string,
    /** Whether a text or caption begins with a slash. */
    private readonly mayCommand: boolean,
  ) {
    super(update, read)
  }

  override get command(): string | undefined {
    return this.mayCommand ? this.parsed().command : undefined
  }

  override get handledCommand(): string | undefined {
    return this.mayCommand ? this.parsed().handledCommand : undefined
  }

  override get fingerprint(): number | undefined {
    return this.parsed().fingerprint
  }

  override get target(): User | undefined {
    return this.parsed().target
  }

  override get repliedTo(): SubjectRef | undefined {
    return this.parsed().repliedTo
  }

  override get user(): User | undefined {
    return this.parsed().user
  }

  override get languageCode(): string | undefined {
    return this.parsed().languageCode
  }

  /** Parses the update. */
  whole(): Update {
    return JSON.parse(this.text) as Update
  }

  private parsed(): Facts {
    this.doubted = true
    this.real ??= describe(this.whole(), this.read)
    return this.real
  }
}

/**
 * Reads from the raw text of an update who acts and what they do, by the rules of {@link Facts}. It reads the fields of the
 * update itself that these rules use, never those of a nested message. Returns undefined in case of doubt: an unusual kind or
 * field, an escaped or repeated name, invalid JSON.
 */
export function glimpse(
  text: string,
  reading: Reading,
  users = new Parties(),
  chats = new Parties(),
): Glimpse | undefined {
  const reader = new Reader(text, users, chats)
  return reader.reads() ? reader.told(reading) : undefined
}

/** Reads one body. */
class Reader {
  private readonly scanner: JsonScanner
  private updateId = Number.NaN
  private kind: UpdateKind | undefined
  /** The fields found so far, as bits. */
  private seen = 0
  private from: Party | undefined
  private chat: Party | undefined
  private senderChat: Party | undefined
  private user: Party | undefined
  private actorChat: Party | undefined
  private album: string | undefined
  private mayCommand = false

  constructor(
    text: string,
    private readonly users: Parties,
    private readonly chats: Parties,
  ) {
    this.scanner = new JsonScanner(text)
  }

  /** Reads the whole body; returns false in case of doubt. */
  reads(): boolean {
    const { scanner } = this
    if (!scanner.opens()) return false
    do {
      if (!scanner.key()) return false
      if (scanner.isKey(UPDATE_ID)) {
        if (!Number.isNaN(this.updateId)) return false
        this.updateId = scanner.integer()
        if (Number.isNaN(this.updateId)) return false
        continue
      }
      const entry = KINDS.get(scanner.hash)
      // An update with two kinds is left to the parser.
      if (entry === undefined || this.kind !== undefined || !scanner.isKey(entry.kind)) return false
      this.kind = entry.kind.name as UpdateKind
      if (!this.payload(entry.fields)) return false
    } while (scanner.comma())
    if (!scanner.closes() || !scanner.ends()) return false
    // A body without an update id is not an update. It must be answered 400, and must not be charged to its sender.
    return this.kind !== undefined && !Number.isNaN(this.updateId)
  }

  /** Returns the facts that were read, from an update with only these fields. */
  told(reading: Reading): Glimpse {
    const { seen } = this
    const payload = {
      from: this.from,
      chat: this.chat,
      sender_chat: this.senderChat,
      user: this.user,
      actor_chat: this.actorChat,
      text: (seen & TEXT) === 0 ? undefined : '',
      media_group_id: this.album,
    }
    const update = { update_id: this.updateId, [this.kind as UpdateKind]: payload }
    const { text } = this.scanner
    return new Glimpse(update as unknown as Update, reading, text, this.mayCommand)
  }

  private payload(fields: Fields): boolean {
    const { scanner } = this
    if (!scanner.opens()) return false
    do {
      if (!scanner.key()) return false
      const field = fields.get(scanner.hash)
      if (field === undefined || !scanner.isKey(field.name)) return false
      const { role } = field
      if ((this.seen & role) !== 0) return false
      this.seen |= role
      if (!this.field(role)) return false
    } while (scanner.comma())
    return scanner.closes()
  }

  private field(role: number): boolean {
    const { scanner } = this
    switch (role) {
      case SKIPPED:
        return scanner.value()
      case FROM:
        this.from = this.party(this.users)
        return this.from !== undefined
      case CHAT:
        this.chat = this.party(this.chats)
        return this.chat !== undefined
      case SENDER_CHAT:
        this.senderChat = this.party(this.chats)
        return this.senderChat !== undefined
      case USER:
        this.user = this.party(this.users)
        return this.user !== undefined
      case ACTOR_CHAT:
        this.actorChat = this.party(this.chats)
        return this.actorChat !== undefined
      case ALBUM:
        this.album = scanner.plainString()
        return this.album !== undefined
      default:
        return this.words()
    }
  }

  private words(): boolean {
    const { scanner } = this
    scanner.space()
    const first = scanner.text.charCodeAt(scanner.at + 1)
    // A slash, or an escape that may stand for one.
    if (first === 47 || first === 92) this.mayCommand = true
    return scanner.string()
  }

  private party(known: Parties): Party | undefined {
    const { scanner } = this
    scanner.space()
    const again = known.again(scanner)
    if (again !== undefined) return again
    const from = scanner.at
    if (!scanner.opens()) return undefined
    let id = Number.NaN
    let type: string | undefined
    do {
      if (!scanner.key()) return undefined
      if (scanner.isKey(ID)) {
        if (!Number.isNaN(id)) return undefined
        id = scanner.integer()
        if (Number.isNaN(id)) return undefined
      } else if (scanner.isKey(TYPE)) {
        if (type !== undefined) return undefined
        type = scanner.plainString()
        if (type === undefined) return undefined
      } else if (!scanner.value()) return undefined
    } while (scanner.comma())
    if (!scanner.closes()) return undefined
    const party = { id, type }
    known.note(scanner, from, party)
    return party
  }
}
