/** The Bot API marks supergroups and channels by putting -100 in front of their number (https://core.telegram.org/api/bots/ids). */
export const CHANNEL_MARK = 1_000_000_000_000

/** As the Bot API has the number of a channel or supergroup. */
export function chatIdOfChannel(channel: number): number {
  return -CHANNEL_MARK - channel
}
