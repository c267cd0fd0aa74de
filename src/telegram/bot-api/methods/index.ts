import type { Methods } from '../call.js'
import { chatSettingMethods } from './chat-settings.js'
import { chatMethods } from './chats.js'
import { editingMethods } from './editing.js'
import { ephemeralMethods } from './ephemeral.js'
import { forwardingMethods } from './forwarding.js'
import { inviteMethods } from './invites.js'
import { invoiceMethods } from './invoices.js'
import { mediaMethods } from './media.js'
import { memberMethods } from './members.js'
import { messageMethods } from './messages.js'
import { pinMethods } from './pins.js'
import { pollMethods } from './polls.js'
import { profileMethods } from './profile.js'
import { queryMethods } from './queries.js'
import { reactionMethods } from './reactions.js'
import { sessionMethods } from './session.js'
import { starMethods } from './stars.js'
import { stickerMethods } from './stickers.js'
import { thingMethods } from './things.js'
import { topicMethods } from './topics.js'
import { updateMethods } from './updates.js'

/** All implemented methods; others answer 501. */
export const METHODS: Methods = {
  ...updateMethods,
  ...chatMethods,
  ...chatSettingMethods,
  ...memberMethods,
  ...inviteMethods,
  ...messageMethods,
  ...editingMethods,
  ...forwardingMethods,
  ...pinMethods,
  ...reactionMethods,
  ...profileMethods,
  ...invoiceMethods,
  ...topicMethods,
  ...pollMethods,
  ...thingMethods,
  ...ephemeralMethods,
  ...mediaMethods,
  ...stickerMethods,
  ...starMethods,
  ...sessionMethods,
  ...queryMethods,
}
