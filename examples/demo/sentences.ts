/** The default sentences of the cast. */
export const SENTENCES: readonly string[] = [
  'Good morning everybody',
  'Has anyone seen my umbrella?',
  'The market opens at nine',
  'Thanks, that worked',
  'Доброе утро!',
  'See you at the station',
  'Two tickets, please',
  'It is raining again',
  '+',
  'Which of them is yours?',
]

/** Longest text that Telegram accepts. */
const LONGEST = 4096

/** Splits a text into sentences, one per line, in a form that people could send. */
export function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) =>
      line
        // Leading slashes are removed, since a command would call a handler of the bot.
        .replace(/^[\s/]+/, '')
        .slice(0, LONGEST)
        // Removes half of a surrogate pair, if the cut went through one.
        .replace(/\p{Surrogate}$/u, '')
        .trim(),
    )
    .filter((line) => line !== '')
}
