import type { ChatAdministratorRights, MenuButton, UserProfilePhotos } from 'grammy/types'
import { completeRights } from '../../world/chats/members.js'
import { photoSizes } from '../../world/media/media.js'
import { badRequest } from '../../world/refusal.js'
import { type Call, chatOf, languageIn, type Methods, required } from '../call.js'
import { Params } from '../params.js'
import { fileNamed } from './input-files.js'

/** Maximum number of profile photos kept. */
const MOST_PHOTOS = 100

/** Methods for a bot's profile. Texts are stored by language; a language without a text uses the default text. */
export const profileMethods: Methods = {
  setMyName: (call) => setText(call, 'name', 64),
  getMyName: (call) => ({ name: getText(call, 'name') || call.bot.me.first_name }),
  setMyDescription: (call) => setText(call, 'description', 512),
  getMyDescription: (call) => ({ description: getText(call, 'description') }),
  setMyShortDescription: (call) => setText(call, 'short_description', 120),
  getMyShortDescription: (call) => ({ short_description: getText(call, 'short_description') }),

  setMyDefaultAdministratorRights({ bot, params }) {
    const kind = params.flag('for_channels') ? 'channel' : 'supergroup'
    const given: Partial<ChatAdministratorRights> = params.object('rights') ?? {}
    bot.settings.defaultRights.set(kind, completeRights(kind, given, false))
    return true
  },

  getMyDefaultAdministratorRights({ bot, params }) {
    const kind = params.flag('for_channels') ? 'channel' : 'supergroup'
    return bot.settings.defaultRights.get(kind) ?? completeRights(kind, {}, false)
  },

  setChatMenuButton(call) {
    const button = (call.params.object('menu_button') ?? { type: 'default' }) as unknown as MenuButton
    if (!['commands', 'web_app', 'default'].includes(button.type))
      throw badRequest("can't parse menu button: unsupported menu button type")
    if (button.type === 'web_app' && !(button.text && button.web_app?.url?.startsWith('https://')))
      throw badRequest("can't parse menu button: Web App URL must be HTTPS")
    call.bot.settings.menuButtons.set(menuOwner(call), button)
    return true
  },

  getChatMenuButton(call) {
    const { menuButtons } = call.bot.settings
    return menuButtons.get(menuOwner(call)) ?? menuButtons.get(undefined) ?? { type: 'default' }
  },

  getUserProfilePhotos(call): UserProfilePhotos {
    const { world, params } = call
    const userId = required(call, 'user_id', 'invalid user_id specified')
    if (world.accounts.find(userId) === undefined) throw badRequest('user not found')
    const offset = Math.max(params.integer('offset') ?? 0, 0)
    const limit = Math.min(Math.max(params.integer('limit') ?? 100, 1), 100)
    const photos = world.profilePhotos.get(userId) ?? []
    const shown = photos.slice(offset, offset + limit)
    return { total_count: photos.length, photos: shown.map(photoSizes) }
  },

  /** Puts the new photo in front of the earlier ones. */
  setMyProfilePhoto(call) {
    const given = Params.of(call.params.object('photo') ?? {})
    const type = given.text('type') ?? ''
    if (type === '') throw badRequest("photo isn't specified")
    if (type !== 'static' && type !== 'animated') throw badRequest('invalid profile photo type specified')
    const part = given.text(type === 'static' ? 'photo' : 'animation') ?? ''
    if (!part.startsWith('attach://')) throw badRequest('photo must be uploaded as a file')
    const photo = fileNamed(call, part, 'chat_photo')
    if (photo === undefined) throw badRequest('photo must be uploaded as a file')
    const former = call.world.profilePhotos.get(call.bot.id) ?? []
    call.world.profilePhotos.set(call.bot.id, [photo, ...former].slice(0, MOST_PHOTOS))
    return true
  },

  removeMyProfilePhoto({ world, bot }) {
    world.profilePhotos.set(bot.id, (world.profilePhotos.get(bot.id) ?? []).slice(1))
    return true
  },
}

type Text = 'name' | 'description' | 'short_description'

function setText(call: Call, what: Text, longest: number): true {
  const { bot, params } = call
  const text = params.text(what) ?? ''
  if (text.length > longest) throw badRequest(`bot ${what.replaceAll('_', ' ')} is too long`)
  const key = `${what} ${languageIn(call)}`
  if (text === '') bot.settings.texts.delete(key)
  else bot.settings.texts.set(key, text)
  return true
}

function getText(call: Call, what: Text): string {
  const { texts } = call.bot.settings
  return texts.get(`${what} ${languageIn(call)}`) ?? texts.get(`${what} `) ?? ''
}

/** The person whose private chat is meant; undefined for the bot's default button. */
function menuOwner(call: Call): number | undefined {
  if (!call.params.has('chat_id')) return undefined
  const chat = chatOf(call)
  if (chat.kind !== 'private') throw badRequest('method is available for private chats only')
  return chat.person.id
}
