/** What the cast says unless it is told otherwise. */
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

/** Telegram takes no longer texts. */
const LONGEST = 4096

/** Sentences, one a line, as people may send them. */
export function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) =>
      line
        // A command is no sentence: whoever says it asks the bot for something.
        .replace(/^[\s/]+/, '')
        .slice(0, LONGEST)
        // Half a character, if the cut went through one.
        .replace(/\p{Surrogate}$/u, '')
        .trim(),
    )
    .filter((line) => line !== '')
}
