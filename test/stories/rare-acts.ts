import fc from 'fast-check'
import { does, text, type Who, who } from './cast.js'

/*
 * Acts whose updates few bots see: payments, polls, what is done in the name of a chat, posts, and the chats of other accounts.
 */

export type Emoji = '👍' | '❤' | '🔥'

export type RareAct =
  /** The bot answers the checkout if it is admitted. Then Telegram sends the payment. */
  | { readonly does: 'pays' | 'gets the money back'; readonly who: Who }
  /** The bot has answered an inline query, and the person sends a result of it to the group. */
  | { readonly does: 'picks a result'; readonly who: Who; readonly text: string }
  | { readonly does: 'reacts anonymously' | 'reacts as the channel'; readonly emoji: Emoji }
  | { readonly does: 'votes anonymously' | 'votes as the channel'; readonly option: 0 | 1 }
  /** Every post also reaches the group, which is linked to the channel. */
  | { readonly does: 'posts and edits'; readonly text: string }
  | { readonly does: 'posts an album' | 'reacts to a post' }
  /** A service message. */
  | { readonly does: 'pins a message'; readonly who: Who }
  | ForgedAct

/** Acts of which the embedded Telegram knows nothing. */
export type ForgedAct =
  | {
      readonly does: 'writes to a business' | 'edits at a business' | 'is answered for a business'
      readonly who: Who
      readonly text: string
    }
  | {
      readonly does: 'taps at a business'
      readonly who: Who
      readonly button: 'A' | 'B'
    }
  | { readonly does: 'summons the guest bot'; readonly who: Who; readonly text: string }
  | {
      readonly does:
        | 'deletes at a business'
        | 'asks for shipping'
        | 'buys paid media'
        | 'subscribes'
        | 'boosts the channel'
      readonly who: Who
    }

const emoji = fc.constantFrom<Emoji>('👍', '❤', '🔥')
const option = fc.constantFrom(0, 1)

export const rareActs: fc.Arbitrary<RareAct> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: does('pays', 'pays', 'gets the money back'), who }) },
  { weight: 2, arbitrary: fc.record({ does: does('picks a result'), who, text }) },
  {
    weight: 2,
    arbitrary: fc.record({ does: does('reacts anonymously', 'reacts as the channel'), emoji }),
  },
  { weight: 2, arbitrary: fc.record({ does: does('votes anonymously', 'votes as the channel'), option }) },
  { weight: 2, arbitrary: fc.record({ does: does('posts and edits'), text }) },
  { weight: 2, arbitrary: fc.record({ does: does('posts an album', 'reacts to a post') }) },
  { weight: 1, arbitrary: fc.record({ does: does('pins a message'), who }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: does(
        'writes to a business',
        'writes to a business',
        'edits at a business',
        'is answered for a business',
      ),
      who,
      text,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: does('taps at a business'), who, button: fc.constantFrom('A', 'B') }),
  },
  { weight: 1, arbitrary: fc.record({ does: does('summons the guest bot'), who, text }) },
  {
    weight: 3,
    arbitrary: fc.record({
      does: does(
        'deletes at a business',
        'asks for shipping',
        'buys paid media',
        'subscribes',
        'boosts the channel',
      ),
      who,
    }),
  },
)
