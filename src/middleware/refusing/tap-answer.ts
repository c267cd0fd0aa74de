/** What Telegram takes as the answer to a tap. https://core.telegram.org/bots/api#answercallbackquery */
const MOST = 200

/** As much of a text as may answer a tap, with no half of an emoji at its end: Telegram would not take it. */
export function tapAnswer(text: string): string {
  return text.slice(0, /[\uD800-\uDBFF]/.test(text.charAt(MOST - 1)) ? MOST - 1 : MOST)
}
