import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Account } from '../../world/accounts.js'
import { numberOf, type StoredFile } from '../../world/media/files.js'
import type { AccountCall, AccountMethod } from '../call.js'
import type { DataCentre } from '../data-centre.js'
import { badRequest } from '../rpc-error.js'
import { limitOf } from './shared/pages.js'

/** Maximum number of photos in an answer, and kept per account. */
const MOST_PHOTOS = 100

export const PHOTOS = {
  'photos.getUserPhotos': ({ centre, account, request }) => {
    const { view, world } = centre
    const shown = view.peers.user(account, request.user_id as TlObject)
    const all = world.profilePhotos.get(shown.id) ?? []
    const maxId = request.max_id as bigint
    // "Only photos with ids below it": those after it in the list, because the latest come first.
    const below = maxId === 0n ? -1 : all.findIndex((file) => numberOf(file) === maxId)
    const offset = Math.max(0, (request.offset as number) + below + 1)
    const page = all.slice(offset, offset + limitOf(request, MOST_PHOTOS))
    const content = {
      photos: page.map((file) => view.media.photo(account, file)),
      users: [view.describer.user(account, shown.user)],
    }
    return page.length === all.length
      ? { _: 'photos.photos', ...content }
      : { _: 'photos.photosSlice', count: all.length, ...content }
  },
  'photos.uploadProfilePhoto': (call) => {
    const { centre, account, request } = call
    const input = request.file as TlObject | undefined
    if (input === undefined) throw badRequest('PHOTO_FILE_MISSING')
    const { bytes, name } = centre.view.uploads.take(account.id, input)
    const file = centre.world.files.store(bytes, name, 'image/jpeg')
    return shown(call, file)
  },
  'photos.updateProfilePhoto': (call) => {
    const { centre, account, request } = call
    const input = request.id as TlObject
    if (input._ === 'inputPhoto') return shown(call, centre.view.locations.named(account, input))
    const all = centre.world.profilePhotos.get(account.id) ?? []
    centre.world.profilePhotos.set(account.id, all.slice(1))
    return photoOf(centre, account, all[1])
  },
  'photos.deletePhotos': ({ centre, account, request }) => {
    const { locations } = centre.view
    const gone = (request.id as readonly TlObject[]).map((input) => locations.named(account, input))
    const all = centre.world.profilePhotos.get(account.id) ?? []
    centre.world.profilePhotos.set(
      account.id,
      all.filter((file) => !gone.includes(file)),
    )
    return all.filter((file) => gone.includes(file)).map(numberOf)
  },
} as const satisfies Record<string, AccountMethod>

/** Puts a photo in front of the earlier ones. */
function shown({ centre, account }: AccountCall, file: StoredFile): TlObject {
  const former = centre.world.profilePhotos.get(account.id) ?? []
  const all = [file, ...former.filter((other) => other !== file)].slice(0, MOST_PHOTOS)
  centre.world.profilePhotos.set(account.id, all)
  return photoOf(centre, account, file)
}

function photoOf({ view }: DataCentre, account: Account, file: StoredFile | undefined): TlObject {
  return {
    _: 'photos.photo',
    photo: file === undefined ? { _: 'photoEmpty', id: 0n } : view.media.photo(account, file),
    users: [view.describer.user(account, account.user)],
  }
}
