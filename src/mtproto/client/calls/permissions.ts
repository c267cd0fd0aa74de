import * as table from './permission-table.js'

/**
 * Kinds of accounts that may call a method.
 *
 * @example
 * ```ts
 * import { type MayCall, mtproto } from 'grammy-sentinel/mtproto'
 *
 * const learned: Readonly<Record<string, MayCall>> = { 'messages.search': 'everybody' }
 * mtproto({ apiId: 1, apiHash: 'hash', botToken: '123:token', permissions: learned })
 * ```
 */
export type MayCall = 'bots' | 'people' | 'everybody'

/** Known permissions by method. Used only to explain refusals; no call is ever prevented because of them. */
export type Permissions = ReadonlyMap<string, MayCall | 'unknown'>

/*
 * Corrections of Telegram's list of errors, and methods missing from it (`UNTOLD`). Telegram's documentation said of these "Bots
 * can use this method" as long as it had such remarks (until layer 195), or methods of the Bot API rely on them.
 */

const EVERYBODY = `
: initConnection invokeAfterMsg invokeAfterMsgs invokeWithBusinessConnection invokeWithLayer invokeWithoutUpdates
account: getBotBusinessConnection
auth: bindTempAuthKey dropTempAuthKeys exportAuthorization importAuthorization importBotAuthorization logOut
bots: getBotInfo setBotInfo
channels: createForumTopic deleteMessages deleteTopicHistory editAdmin editBanned editForumTopic editPhoto editTitle getChannels
channels: getFullChannel getMessages getParticipant getParticipants leaveChannel setStickers
contacts: resolveUsername
help: getCdnConfig getConfig
messages: createForumTopic deleteChatUser deleteMessages deleteTopicHistory editChatAbout editChatDefaultBannedRights editChatPhoto
messages: editChatTitle editExportedChatInvite editForumTopic editInlineBotMessage editMessage exportChatInvite forwardMessages getChats
messages: getCustomEmojiDocuments getDocumentByHash getFullChat getMessages getStickerSet hideChatJoinRequest sendMedia sendMessage
messages: sendMultiMedia sendReaction setTyping unpinAllMessages updatePinnedMessage uploadMedia
payments: getStarsStatus getStarsTransactions
photos: getUserPhotos updateProfilePhoto uploadProfilePhoto
premium: getUserBoosts
stickers: addStickerToSet changeSticker changeStickerPosition createStickerSet deleteStickerSet removeStickerFromSet renameStickerSet
stickers: replaceSticker setStickerSetThumb
updates: getChannelDifference getDifference getState
upload: getCdnFile getCdnFileHashes getFile getFileHashes getWebFile reuploadCdnFile saveBigFilePart saveFilePart
users: getFullUser getUsers`

/** One is documented as such; the other was seen to be refused to bots. */
const PEOPLE = `
channels: getMessageAuthor
messages: getSavedHistory`

/** Corrections that take precedence over Telegram's list. */
export const LEARNED: ReadonlyMap<string, MayCall> = new Map([
  ...listed(EVERYBODY, 'everybody'),
  ...listed(PEOPLE, 'people'),
])

/** Every method of the layer. */
export const PERMISSIONS: Permissions = new Map([
  ...listed(table.PEOPLE, 'people'),
  ...listed(table.BOTS, 'bots'),
  ...listed(table.UNTOLD, 'unknown'),
  ...LEARNED,
])

/**
 * Returns who may call a method, as far as known from Telegram's list of errors and from what bots were seen to do. The client
 * does not rely on this: it makes every call, and uses it only for the hint of a refusal.
 *
 * @param method For example `messages.getHistory`.
 * @returns `unknown` if Telegram does not say; undefined for an unknown method.
 *
 * @example
 * ```ts
 * import { whoMayCall } from 'grammy-sentinel/mtproto'
 *
 * whoMayCall('messages.getHistory') // 'people'
 * whoMayCall('channels.getParticipants') // 'everybody'
 * ```
 */
export function whoMayCall(method: string): MayCall | 'unknown' | undefined {
  return PERMISSIONS.get(method)
}

/** Alternatives for bots, which give the same or a similar result. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ['messages.getHistory', 'history(), which reads by ids'],
  ['messages.search', 'history(), which reads by ids'],
  ['messages.searchGlobal', 'history() of one chat, which reads by ids'],
  ['messages.getDialogs', 'bridge(), which reports chats as people write there'],
  ['messages.getCommonChats', 'dossier(), which returns how many there are'],
  ['channels.deleteParticipantHistory', 'purge(), which finds the messages by their ids'],
  ['messages.importChatInvite', 'an invitation by an administrator of the chat'],
  ['channels.joinChannel', 'an invitation by an administrator of the chat'],
  ['contacts.search', 'resolve(), for whole names'],
])

/** Adds the user's own findings to the known permissions. */
export function permissionsWith(learned: Readonly<Record<string, MayCall>> = {}): Permissions {
  const own = Object.entries(learned)
  return own.length === 0 ? PERMISSIONS : new Map([...PERMISSIONS, ...own])
}

/** Advice for an account of the wrong kind for the method, and for a client that is not logged in; undefined for other reasons. */
export function hintFor(method: string, reason: string, known: Permissions): string | undefined {
  const who = known.get(method)
  if (reason === 'BOT_METHOD_INVALID') {
    const instead = INSTEAD.get(method)
    if (instead !== undefined) return `This is for people's accounts: use ${instead}, or log a person in.`
    if (who === 'everybody' || who === 'bots') {
      return `Bots could call this so far. If that has changed, pass { permissions: { '${method}': 'people' } }.`
    }
    return `This is for people's accounts: log one in with logIn() or logInByQr().`
  }
  if (reason === 'AUTH_KEY_UNREGISTERED') {
    return 'Nobody is logged in with this session: pass a botToken, or call logIn() or logInByQr() first.'
  }
  if (reason === 'USER_BOT_REQUIRED') return 'This is for bots: create the client with a botToken.'
  return undefined
}

/** Parses lines such as `account: getPassword updateStatus`; methods without a namespace are on a line with an empty one. */
function listed<W extends MayCall | 'unknown'>(lines: string, who: W): [string, W][] {
  return lines
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [space, names = ''] = line.split(': ')
      return names.split(' ').map((name): [string, W] => [space === '' ? name : `${space}.${name}`, who])
    })
}
