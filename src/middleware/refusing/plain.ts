/**
 * Sends a text as it stands, whatever the bot's default parse mode is: transformers that set one let a call keep its own. Telegram
 * takes an empty parse mode for none, and `parse_mode ??= …` does not replace it.
 */
export const PLAIN = { parse_mode: '' } as unknown as { readonly parse_mode?: never }
