/**
 * Sends a text as it stands, whatever the bot's default parse mode is: transformers that set one let a call keep its own, even
 * undefined, which is omitted from the request.
 */
export const PLAIN = { parse_mode: undefined } as { readonly parse_mode?: never }
