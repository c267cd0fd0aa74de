import fc from 'fast-check'

/* Who takes part in a story, where, and what people write: what all acts are made of. */

/** Index of one of the three people of a town. */
export type Who = 0 | 1 | 2
/** Also the group as a place, the channel as a sender, and the anonymous administrators of the group. */
export type Whom = Who | 'group' | 'channel' | 'anonymous'
/** The bot's private chat with the person, or the group. */
export type Where = 'private' | 'group'

export const who = fc.constantFrom<Who>(0, 1, 2)
/** Those who can act. */
export const sender = fc.constantFrom<Exclude<Whom, 'group'>>(0, 0, 1, 1, 2, 2, 'channel', 'anonymous')
export const whom = fc.constantFrom<Whom>(0, 0, 1, 1, 2, 2, 'channel', 'anonymous', 'group')
export const where = fc.constantFrom<Where>('private', 'private', 'private', 'group', 'group')
/** Some are repeated often, for `debounce`; the commands are those of the bots of the stories. */
export const text = fc.constantFrom(
  ...['hello', 'hello', 'more', '+', 'one', 'two', 'three', 'four'],
  ...['/buy', '/buy', '/sell', '/render', '/late', '/x', '/start'],
)

/** Names an act. */
export function does<Name extends string>(...names: readonly Name[]): fc.Arbitrary<Name> {
  return fc.constantFrom(...names)
}
