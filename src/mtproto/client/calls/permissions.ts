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
export type Permissions = ReadonlyMap<string, MayCall>

/*
 * Facts of Telethon's table of who may call what, which is older than layer 227, and what bots were seen to be refused since. Telegram
 * says it method by method ("Bots can use this method", https://core.telegram.org/methods) and changes it; hence the option.
 */

const PEOPLE = [
  'account.getAuthorizations account.resetAuthorization account.getPassword account.getPrivacy account.setPrivacy account.updateProfile',
  'account.updateUsername account.checkUsername account.updateStatus account.getNotifySettings account.updateNotifySettings',
  'account.getWebAuthorizations account.initTakeoutSession account.finishTakeoutSession account.reportPeer',
  'auth.sendCode auth.resendCode auth.cancelCode auth.signIn auth.signUp auth.checkPassword auth.requestPasswordRecovery',
  'auth.recoverPassword auth.resetAuthorizations auth.exportLoginToken auth.importLoginToken auth.acceptLoginToken',
  'channels.createChannel channels.deleteChannel channels.deleteHistory channels.deleteParticipantHistory channels.exportMessageLink',
  'channels.getAdminLog channels.getAdminedPublicChannels channels.getLeftChannels channels.getSendAs channels.inviteToChannel',
  'channels.joinChannel channels.readHistory channels.readMessageContents channels.reportSpam channels.toggleSignatures',
  'channels.togglePreHistoryHidden channels.toggleSlowMode channels.updateUsername channels.checkUsername',
  'contacts.addContact contacts.block contacts.unblock contacts.deleteContacts contacts.getBlocked contacts.getContacts',
  'contacts.getStatuses contacts.getTopPeers contacts.importContacts contacts.resolvePhone contacts.search',
  'help.getAppConfig help.getNearestDc help.getSupport help.getTermsOfServiceUpdate',
  'messages.addChatUser messages.checkChatInvite messages.createChat messages.deleteHistory messages.getAllChats messages.getCommonChats',
  'messages.getDialogs messages.getDialogFilters messages.getHistory messages.getMessagesReactions messages.getMessageReadParticipants',
  'messages.getMessageReactionsList messages.getMessagesViews messages.getOnlines messages.getPeerDialogs messages.getPinnedDialogs',
  'messages.getPollVotes messages.getReplies messages.getSavedHistory messages.getSearchCounters messages.getUnreadMentions',
  'messages.getWebPage messages.getWebPagePreview messages.importChatInvite messages.migrateChat messages.readHistory',
  'messages.report messages.reportSpam messages.saveDraft messages.search messages.searchGlobal messages.sendInlineBotResult',
  'messages.sendVote messages.startBot messages.getInlineBotResults messages.getBotCallbackAnswer',
  'photos.deletePhotos phone.createGroupCall phone.getGroupCall phone.joinGroupCall stats.getBroadcastStats stats.getMegagroupStats',
]

const EVERYBODY = [
  'auth.bindTempAuthKey auth.dropTempAuthKeys auth.exportAuthorization auth.importAuthorization auth.importBotAuthorization auth.logOut',
  'channels.deleteMessages channels.editAdmin channels.editBanned channels.editPhoto channels.editTitle channels.getChannels',
  'channels.getFullChannel channels.getMessages channels.getParticipant channels.getParticipants channels.leaveChannel',
  'channels.setStickers contacts.resolveUsername help.getCdnConfig help.getConfig',
  'messages.deleteChatUser messages.deleteMessages messages.editChatAbout messages.editChatDefaultBannedRights messages.editChatPhoto',
  'messages.editChatTitle messages.editMessage messages.exportChatInvite messages.forwardMessages messages.getChats',
  'messages.getDocumentByHash messages.getFullChat messages.getMessages messages.getStickerSet messages.hideChatJoinRequest',
  'messages.sendMedia messages.sendMessage messages.sendMultiMedia messages.sendReaction messages.setTyping messages.unpinAllMessages',
  'messages.updatePinnedMessage messages.uploadMedia messages.getCustomEmojiDocuments photos.getUserPhotos photos.updateProfilePhoto',
  'photos.uploadProfilePhoto updates.getChannelDifference updates.getDifference updates.getState',
  'upload.getCdnFile upload.getCdnFileHashes upload.getFile upload.getFileHashes upload.getWebFile upload.reuploadCdnFile',
  'upload.saveBigFilePart upload.saveFilePart users.getFullUser users.getUsers',
]

const BOTS = [
  'bots.answerWebhookJSONQuery bots.sendCustomRequest bots.setBotCommands bots.resetBotCommands',
  'messages.getGameHighScores messages.getInlineGameHighScores messages.setBotCallbackAnswer messages.setBotPrecheckoutResults',
  'messages.setBotShippingResults messages.setGameScore messages.setInlineBotResults messages.setInlineGameScore help.setBotUpdatesStatus',
]

/** What is known of methods that bots have reason to ask for. */
export const PERMISSIONS: Permissions = new Map<string, MayCall>([
  ...listed(PEOPLE, 'people'),
  ...listed(EVERYBODY, 'everybody'),
  ...listed(BOTS, 'bots'),
])

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

function listed(lines: readonly string[], who: MayCall): [string, MayCall][] {
  return lines.flatMap((line) => line.split(' ').map((method): [string, MayCall] => [method, who]))
}
