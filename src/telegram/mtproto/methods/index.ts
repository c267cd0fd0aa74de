import type { Method, Methods } from '../call.js'
import { ADMIN_LOG } from './admin-log.js'
import { AUTH, LOGGED_IN } from './auth.js'
import { AUTHORIZATIONS } from './authorizations.js'
import { BASIC_GROUPS } from './basic-groups.js'
import { LEAVING, LET_IN } from './centres.js'
import { CHANNELS } from './channels.js'
import { DIALOGS } from './dialogs.js'
import { HELP } from './help.js'
import { HISTORY } from './history.js'
import { MEDIA } from './media.js'
import { MESSAGES } from './messages.js'
import { PHOTOS } from './photos.js'
import { QR, SCAN } from './qr.js'
import { SEARCH } from './search.js'
import { SETTINGS } from './settings.js'
import { TEMPORARY_KEYS } from './temporary-keys.js'
import { UPDATES } from './updates.js'
import { UPLOAD } from './upload.js'
import { USERS } from './users.js'

/** All implemented methods. */
export const METHODS: Methods = {
  open: new Map(
    [HELP, AUTH, QR, LET_IN, TEMPORARY_KEYS].flatMap((methods) => Object.entries<Method>(methods)),
  ),
  account: new Map(
    [
      LOGGED_IN,
      LEAVING,
      SCAN,
      ADMIN_LOG,
      AUTHORIZATIONS,
      BASIC_GROUPS,
      CHANNELS,
      DIALOGS,
      HISTORY,
      MESSAGES,
      MEDIA,
      PHOTOS,
      SEARCH,
      SETTINGS,
      UPDATES,
      UPLOAD,
      USERS,
    ].flatMap((methods) => Object.entries(methods)),
  ),
}
