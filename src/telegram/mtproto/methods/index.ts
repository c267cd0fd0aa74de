import type { Method, Methods } from '../call.js'
import { ADMIN_LOG } from './admin-log.js'
import { AUTH, LOG_OUT } from './auth.js'
import { AUTHORIZATION_EXPORT, AUTHORIZATION_IMPORT } from './authorization-transfer.js'
import { AUTHORIZATIONS } from './authorizations.js'
import { BASIC_GROUPS } from './basic-groups.js'
import { CHANNEL_MESSAGES } from './channel-messages.js'
import { CHANNELS } from './channels.js'
import { DIALOGS } from './dialogs.js'
import { HELP } from './help.js'
import { HISTORY } from './history.js'
import { MEDIA } from './media.js'
import { MESSAGES } from './messages.js'
import { PARTICIPANTS } from './participants.js'
import { PHOTOS } from './photos.js'
import { QR_LOGIN, QR_SCAN } from './qr.js'
import { SEARCH } from './search.js'
import { SETTINGS } from './settings.js'
import { TEMPORARY_KEYS } from './temporary-keys.js'
import { UPDATES } from './updates.js'
import { UPLOAD } from './upload.js'
import { USERS } from './users.js'

/** All implemented methods. */
export const METHODS: Methods = {
  open: new Map(
    [HELP, AUTH, QR_LOGIN, AUTHORIZATION_IMPORT, TEMPORARY_KEYS].flatMap((methods) =>
      Object.entries<Method>(methods),
    ),
  ),
  account: new Map(
    [
      LOG_OUT,
      AUTHORIZATION_EXPORT,
      QR_SCAN,
      ADMIN_LOG,
      AUTHORIZATIONS,
      BASIC_GROUPS,
      CHANNELS,
      CHANNEL_MESSAGES,
      DIALOGS,
      HISTORY,
      MESSAGES,
      MEDIA,
      PARTICIPANTS,
      PHOTOS,
      SEARCH,
      SETTINGS,
      UPDATES,
      UPLOAD,
      USERS,
    ].flatMap((methods) => Object.entries(methods)),
  ),
}
