import * as table from './permission-table.js'

/**
 * Whose accounts may call a method.
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

/** What is known of methods, by name. Looked up only when Telegram has refused: nothing is ever held back because of it. */
export type Permissions = ReadonlyMap<string, MayCall | 'unknown'>

/*
 * What Telegram's list of errors has wrong, or has not got to (`UNTOLD`). Of these its documentation said "Bots can use this method" as
 * long as it said so at all (until layer 195), or they are what a method of the Bot API comes to.
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

/** The one is documented so, of the other bots were seen to be refused. */
const PEOPLE = `
channels: getMessageAuthor
messages: getSavedHistory`

/** What is held against Telegram's own list. */
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
 * Who may call a method of Telegram's, as far as that is known: by its list of errors, and by what bots were seen to do. The client never
 * goes by this; it makes every call, and says it in the hint when Telegram refuses.
 *
 * @param method Such as `messages.getHistory`.
 * @returns `unknown` where Telegram does not tell; undefined for what is no method of its.
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

/** What leads to the same, or near, for a bot. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ['messages.getHistory', 'history(), which reads by ids'],
  ['messages.search', 'history(), which reads by ids'],
  ['messages.searchGlobal', 'history() of one chat, which reads by ids'],
  ['messages.getDialogs', 'bridge(), which tells of chats as people write there'],
  ['messages.getCommonChats', 'dossier(), which tells how many there are'],
  ['channels.deleteParticipantHistory', 'purge(), which finds the messages by their ids'],
  ['messages.importChatInvite', 'an invitation by an administrator of the chat'],
  ['channels.joinChannel', 'an invitation by an administrator of the chat'],
  ['contacts.search', 'resolve(), for whole names'],
])

/** Reads what somebody has learned on top of what is known. */
export function permissionsWith(learned: Readonly<Record<string, MayCall>> = {}): Permissions {
  const own = Object.entries(learned)
  return own.length === 0 ? PERMISSIONS : new Map([...PERMISSIONS, ...own])
}

/** What may help whoever was refused for what they are; undefined for any other reason. */
export function hintFor(method: string, reason: string, known: Permissions): string | undefined {
  const who = known.get(method)
  if (reason === 'BOT_METHOD_INVALID') {
    const instead = INSTEAD.get(method)
    if (instead !== undefined) return `This is for people's accounts: use ${instead}, or log a person in.`
    if (who === 'everybody' || who === 'bots') {
      return `Bots could do this so far. If that is over, say so with { permissions: { '${method}': 'people' } }.`
    }
    return `This is for people's accounts: log one in with logIn() or logInByQr().`
  }
  if (reason === 'USER_BOT_REQUIRED') return 'This is for bots: make the client with a botToken.'
  return undefined
}

/** Reads `account: getPassword updateStatus`, a line a namespace; what has none stands under none. */
function listed<W extends MayCall | 'unknown'>(lines: string, who: W): [string, W][] {
  return lines
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [space, names = ''] = line.split(': ')
      return names.split(' ').map((name): [string, W] => [space === '' ? name : `${space}.${name}`, who])
    })
}
