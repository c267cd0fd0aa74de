import fc from 'fast-check'
import { does, text, type Where, type Who, where, who } from './cast.js'
import { type RareAct, rareActs } from './rare-acts.js'

/* What people do in a story, as plain data, so that a failing story can be shrunk, printed and replayed. */

export type Act =
  | RareAct
  | {
      readonly does: 'says'
      readonly who: Who
      readonly where: Where
      readonly text: string
      /** How many messages with this text, one after the other. */
      readonly times: number
    }
  | {
      readonly does: 'sends an album'
      readonly who: Who
      readonly where: Where
      readonly photos: number
      readonly caption: string | undefined
    }
  | { readonly does: 'taps'; readonly who: Who; readonly where: Where; readonly button: 'A' | 'B' }
  | { readonly does: 'writes and edits'; readonly who: Who; readonly text: string }
  | { readonly does: 'reacts'; readonly who: Who; readonly emoji: '👍' | '❤' | '🔥' }
  | { readonly does: 'votes'; readonly who: Who; readonly option: 0 | 1 }
  | { readonly does: 'leaves and joins' | 'blocks and unblocks the bot'; readonly who: Who }
  | { readonly does: 'asks inline'; readonly who: Who; readonly text: string }
  | { readonly does: 'posts' | 'speaks anonymously' | 'speaks as the channel'; readonly text: string }

const times = fc.constantFrom(1, 1, 1, 1, 2, 6)
const caption = fc.constantFrom(undefined, undefined, '/buy', 'pictures', '/x')

export const acts: fc.Arbitrary<Act> = fc.oneof(
  { weight: 13, arbitrary: fc.record({ does: does('says'), who, where, text, times }) },
  {
    weight: 3,
    arbitrary: fc.record({
      does: does('sends an album'),
      who,
      where,
      photos: fc.integer({ min: 2, max: 3 }),
      caption,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ does: does('taps'), who, where, button: fc.constantFrom('A', 'B') }),
  },
  { weight: 2, arbitrary: fc.record({ does: does('writes and edits'), who, text }) },
  {
    weight: 1,
    arbitrary: fc.record({ does: does('reacts'), who, emoji: fc.constantFrom('👍', '❤', '🔥') }),
  },
  { weight: 1, arbitrary: fc.record({ does: does('votes'), who, option: fc.constantFrom(0, 1) }) },
  { weight: 1, arbitrary: fc.record({ does: does('leaves and joins'), who }) },
  { weight: 1, arbitrary: fc.record({ does: does('blocks and unblocks the bot'), who }) },
  { weight: 1, arbitrary: fc.record({ does: does('asks inline'), who, text }) },
  { weight: 1, arbitrary: fc.record({ does: does('posts'), text }) },
  { weight: 1, arbitrary: fc.record({ does: does('speaks anonymously'), text }) },
  { weight: 1, arbitrary: fc.record({ does: does('speaks as the channel'), text }) },
  { weight: 9, arbitrary: rareActs },
)
