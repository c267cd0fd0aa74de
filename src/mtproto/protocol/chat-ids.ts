/** The ids of supergroups and channels in the Bot API have -100 in front (https://core.telegram.org/api/bots/ids). */
export const CHANNEL_MARK = 1_000_000_000_000

/** The Bot API's id of a channel or supergroup. */
export function chatIdOfChannel(channel: number): number {
  return -CHANNEL_MARK - channel
}
