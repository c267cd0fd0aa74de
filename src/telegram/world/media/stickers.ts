import type { MaskPosition, Sticker, StickerSet } from 'grammy/types'
import { badRequest } from '../refusal.js'
import type { StoredFile } from './files.js'
import { photoSize, stickerOf } from './media.js'

export type StickerType = 'regular' | 'mask' | 'custom_emoji'

export interface NewSticker {
  readonly file: StoredFile
  readonly emoji: readonly string[]
  readonly keywords: readonly string[]
  readonly mask?: MaskPosition | undefined
}

/** A sticker in a set. Stickers are identified by the hash of their file. */
export interface KeptSticker extends NewSticker {
  /** Id as a custom emoji. */
  readonly emojiId: string
}

export interface WorldStickerSet {
  readonly name: string
  title: string
  readonly type: StickerType
  readonly ownerId: number
  readonly botId: number
  stickers: KeptSticker[]
  thumbnail?: StoredFile | undefined
}

/** "1-64 characters … must end in `_by_<bot_username>`" (createNewStickerSet). */
const NAME = /^[a-z](?!\w*__)\w{0,62}[a-z0-9]$/i
const LONGEST_TITLE = 64
/** "Up to 120 stickers", emoji and masks; custom emoji up to 200 (addStickerToSet). */
const MOST: Readonly<Record<StickerType, number>> = { regular: 120, mask: 120, custom_emoji: 200 }
/** Maximum number of sets, so that memory stays bounded. */
const MOST_SETS = 10_000
const FIRST_EMOJI_ID = 5_368_324_170_671_202_286n

/** All sticker sets, by name. */
export class StickerSets {
  readonly #sets = new Map<string, WorldStickerSet>()
  #emoji = 0

  find(name: string): WorldStickerSet | undefined {
    return this.#sets.get(name.toLowerCase())
  }

  create(set: Omit<WorldStickerSet, 'stickers'>, username: string, first: readonly NewSticker[]): void {
    const isOwn = set.name.toLowerCase().endsWith(`_by_${username.toLowerCase()}`)
    if (!NAME.test(set.name) || !isOwn) throw badRequest('invalid sticker set name is specified')
    if (this.find(set.name) !== undefined) throw badRequest('sticker set name is already occupied')
    if (this.#sets.size >= MOST_SETS) throw badRequest('STICKERSETS_TOO_MUCH')
    checkTitle(set.title)
    const created: WorldStickerSet = { ...set, stickers: [] }
    for (const sticker of first) this.add(created, sticker)
    this.#sets.set(set.name.toLowerCase(), created)
  }

  add(set: WorldStickerSet, sticker: NewSticker): KeptSticker {
    if (set.stickers.length >= MOST[set.type]) throw badRequest('STICKERS_TOO_MUCH')
    const emojiId = String(FIRST_EMOJI_ID + BigInt(this.#emoji++))
    const kept = { ...sticker, emojiId }
    set.stickers.push(kept)
    return kept
  }

  remove(set: WorldStickerSet): void {
    this.#sets.delete(set.name.toLowerCase())
  }

  /** The set that contains this file as a sticker, and its position. */
  holding({ content }: StoredFile): { readonly set: WorldStickerSet; readonly place: number } | undefined {
    for (const set of this.#sets.values()) {
      const place = set.stickers.findIndex(({ file }) => file.content === content)
      if (place >= 0) return { set, place }
    }
    return undefined
  }

  withEmojiId(id: string): Sticker | undefined {
    for (const set of this.#sets.values()) {
      const found = set.type === 'custom_emoji' && set.stickers.find(({ emojiId }) => emojiId === id)
      if (found) return describeSticker(set, found)
    }
    return undefined
  }
}

export function checkTitle(title: string): void {
  if (title.trim() === '' || title.length > LONGEST_TITLE) throw badRequest('PACK_TITLE_INVALID')
}

/** Properties of a file that is a sticker in a set. */
export function knownSticker(sets: StickerSets, file: StoredFile): Partial<Sticker> | undefined {
  const found = sets.holding(file)
  const sticker = found?.set.stickers[found.place]
  return found && sticker && describeSticker(found.set, sticker)
}

function describeSticker(set: WorldStickerSet, sticker: KeptSticker): Sticker {
  const { file, emoji, mask, emojiId } = sticker
  return {
    ...stickerOf(file, { emoji: emoji[0] }),
    type: set.type,
    set_name: set.name,
    ...(mask !== undefined && { mask_position: mask }),
    ...(set.type === 'custom_emoji' && { custom_emoji_id: emojiId }),
  }
}

export function describeStickerSet(set: WorldStickerSet): StickerSet {
  const { name, title, type, stickers, thumbnail } = set
  return {
    name,
    title,
    sticker_type: type,
    stickers: stickers.map((sticker) => describeSticker(set, sticker)),
    ...(thumbnail !== undefined && { thumbnail: photoSize(thumbnail) }),
  }
}
