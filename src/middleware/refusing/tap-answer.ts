/** Most characters of the answer to a tap. https://core.telegram.org/bots/api#answercallbackquery */
const MOST = 200

/** Shortens a text to what may answer a tap, without splitting a surrogate pair at its end, which Telegram would reject. */
export function tapAnswer(text: string): string {
  return text.slice(0, /[\uD800-\uDBFF]/.test(text.charAt(MOST - 1)) ? MOST - 1 : MOST)
}
