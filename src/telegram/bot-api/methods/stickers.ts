import type { MaskPosition } from 'grammy/types'
import type { StoredFile } from '../../world/media/files.js'
import { fileIdOf, pathOf, uniqueIdOf } from '../../world/media/files.js'
import { stickerFormatOf } from '../../world/media/media.js'
import {
  checkTitle,
  describeStickerSet,
  type KeptSticker,
  type NewSticker,
  type StickerType,
  type WorldStickerSet,
} from '../../world/media/stickers.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, type Methods, required } from '../call.js'
import { Params } from '../params.js'
import { fileNamed, fileOf, neededFile } from './input-files.js'

const FORMATS = ['static', 'animated', 'video']
const TYPES: readonly string[] = ['regular', 'mask', 'custom_emoji'] satisfies StickerType[]

/** Methods for sticker sets. Images are not decoded, so stickers of any size are accepted. */
export const stickerMethods: Methods = {
  uploadStickerFile(call) {
    person(call)
    checkFormat(call.params.text('sticker_format') ?? '')
    const file = neededFile(call, 'sticker', 'sticker')
    return {
      file_id: fileIdOf(file, 'sticker'),
      file_unique_id: uniqueIdOf(file, 'sticker'),
      file_size: file.bytes.length,
      file_path: pathOf(file, 'sticker'),
    }
  },

  createNewStickerSet(call) {
    const { world, bot, params } = call
    const type = params.text('sticker_type') ?? 'regular'
    if (!TYPES.includes(type)) throw badRequest('unsupported sticker type specified')
    const given = params.objects('stickers') ?? []
    if (given.length === 0) throw badRequest('STICKERS_EMPTY')
    if (given.length > 50) throw badRequest('too many stickers specified')
    const stickers = given.map((sticker) => readSticker(call, sticker))
    world.stickerSets.create(
      {
        name: params.text('name') ?? '',
        title: params.text('title') ?? '',
        type: type as StickerType,
        ownerId: person(call),
        botId: bot.id,
      },
      bot.me.username,
      stickers,
    )
    return true
  },

  addStickerToSet(call) {
    const set = ownedSet(call)
    call.world.stickerSets.add(set, readSticker(call, call.params.object('sticker')))
    return true
  },

  replaceStickerInSet(call) {
    const set = ownedSet(call)
    const { place } = stickerIn(call, 'old_sticker', set)
    const added = call.world.stickerSets.add(set, readSticker(call, call.params.object('sticker')))
    set.stickers = set.stickers.filter((sticker) => sticker !== added).with(place, added)
    return true
  },

  getStickerSet(call) {
    return describeStickerSet(namedSet(call))
  },

  deleteStickerSet(call) {
    call.world.stickerSets.remove(ownSet(call))
    return true
  },

  setStickerSetTitle(call) {
    const set = ownSet(call)
    const title = call.params.text('title') ?? ''
    checkTitle(title)
    set.title = title
    return true
  },

  setStickerSetThumbnail(call) {
    const set = ownedSet(call)
    checkFormat(call.params.text('format') ?? '')
    set.thumbnail = fileOf(call, 'thumbnail', 'sticker')
    return true
  },

  deleteStickerFromSet(call) {
    const { set, place } = stickerIn(call, 'sticker')
    set.stickers = set.stickers.filter((_, index) => index !== place)
    return true
  },

  setStickerPositionInSet(call) {
    const { set, place, sticker } = stickerIn(call, 'sticker')
    const position = call.params.integer('position') ?? -1
    if (position < 0) throw badRequest('invalid sticker position specified')
    const others = set.stickers.filter((_, index) => index !== place)
    set.stickers = others.toSpliced(position, 0, sticker)
    return true
  },

  setStickerEmojiList: (call) => change(call, () => ({ emoji: emojiIn(call.params) })),
  setStickerKeywords: (call) => change(call, () => ({ keywords: keywordsIn(call.params) })),
  setStickerMaskPosition: (call) =>
    change(call, ({ type }) => {
      if (type !== 'mask') throw badRequest('STICKER_INVALID')
      return { mask: maskIn(call.params) }
    }),

  getCustomEmojiStickers({ world, params }) {
    const ids = params.list('custom_emoji_ids') ?? []
    if (ids.length > 200) throw badRequest('too many custom emoji identifiers specified')
    return ids.flatMap((id) => world.stickerSets.withEmojiId(String(id)) ?? [])
  },

  /** There are none in the embedded Telegram. */
  getForumTopicIconStickers: () => [],
}

function person(call: Call): number {
  const userId = required(call, 'user_id', 'invalid user_id specified')
  if (call.world.accounts.find(userId)?.kind !== 'person') throw badRequest('user not found')
  return userId
}

function checkFormat(format: string): void {
  if (!FORMATS.includes(format)) throw badRequest('invalid sticker format specified')
}

function namedSet({ world, params }: Call): WorldStickerSet {
  const name = params.text('name') ?? ''
  if (name === '') throw badRequest('sticker_set_name is empty')
  const set = world.stickerSets.find(name)
  if (set === undefined) throw badRequest('STICKERSET_INVALID')
  return set
}

/** Bots can change only sets that they created. */
function ownSet(call: Call): WorldStickerSet {
  const set = namedSet(call)
  if (set.botId !== call.bot.id) throw badRequest('STICKERSET_INVALID')
  return set
}

/** Some methods also check the user for whom the set was created. */
function ownedSet(call: Call): WorldStickerSet {
  const userId = person(call)
  const set = ownSet(call)
  if (set.ownerId !== userId) throw badRequest('STICKERSET_INVALID')
  return set
}

function stickerIn(call: Call, name: string, wanted?: WorldStickerSet) {
  const file = fileNamed(call, call.params.text(name), 'sticker')
  if (file === undefined) throw badRequest('sticker is not specified')
  const found = call.world.stickerSets.holding(file)
  const sticker = found?.set.stickers[found.place]
  if (found === undefined || sticker === undefined || found.set.botId !== call.bot.id)
    throw badRequest('STICKER_INVALID')
  if (wanted !== undefined && wanted !== found.set) throw badRequest('STICKER_INVALID')
  return { ...found, sticker }
}

function change(call: Call, to: (set: WorldStickerSet) => Partial<KeptSticker>): true {
  const { set, place, sticker } = stickerIn(call, 'sticker')
  set.stickers = set.stickers.with(place, { ...sticker, ...to(set) })
  return true
}

function readSticker(call: Call, given: Record<string, unknown> | undefined): NewSticker {
  if (given === undefined) throw badRequest("can't parse sticker JSON object")
  const params = Params.of(given)
  const format = params.text('format') ?? ''
  checkFormat(format)
  const file = fileNamed(call, params.text('sticker'), 'sticker')
  if (file === undefined) throw badRequest("can't parse sticker: sticker not found")
  checkSort(file, format)
  return { file, emoji: emojiIn(params), keywords: keywordsIn(params), mask: maskIn(params) }
}

/** Checks the format by the file's name, because files are not decoded. */
function checkSort(file: StoredFile, format: string): void {
  const actual = stickerFormatOf(file)
  if (actual !== 'static' && actual !== format) throw badRequest('STICKER_FILE_INVALID')
}

function emojiIn(params: Params): readonly string[] {
  const emoji = params.list('emoji_list') ?? []
  const wrong = (what: string) => badRequest(`can't parse emoji list: ${what}`)
  if (emoji.length === 0) throw wrong('emoji list must be non-empty')
  if (emoji.length > 20) throw wrong('too many emoji specified')
  return emoji.map((one) => {
    if (typeof one !== 'string') throw wrong('emoji must be a string')
    if (!/\p{Emoji}/u.test(one)) throw wrong('expected a Unicode emoji')
    return one
  })
}

function keywordsIn(params: Params): readonly string[] {
  const keywords = params.list('keywords') ?? []
  if (keywords.length > 20 || keywords.join('').length > 64) throw badRequest('KEYWORDS_TOO_LONG')
  return keywords.map((keyword) => {
    if (typeof keyword !== 'string') throw badRequest('keyword must be a string')
    return keyword
  })
}

const POINTS = ['forehead', 'eyes', 'mouth', 'chin']

function maskIn(params: Params): MaskPosition | undefined {
  const given = params.object('mask_position')
  if (given === undefined) return undefined
  const { point, x_shift, y_shift, scale } = given
  if (!POINTS.includes(String(point)))
    throw badRequest("can't parse mask position: wrong point specified in MaskPosition")
  return {
    point: point as MaskPosition['point'],
    x_shift: Number(x_shift),
    y_shift: Number(y_shift),
    scale: Number(scale),
  }
}
