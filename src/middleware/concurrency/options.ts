import type { Context } from 'grammy'
import { z } from 'zod'
import type { Facts } from '../../core/facts.js'
import { activities, given, named, option, prompt, refusal, timeSpan } from '../options/schema.js'
import { scopeOption } from '../options/scopes.js'

type Own = (facts: Facts, ctx: Context) => string | number | undefined

const WHOLE = 'must be a whole number of 1 or more'

const COUNT = 'must be a whole number of 0 or more'

export const concurrencyOptions = z.strictObject({
  scope: option(scopeOption, 'Whose updates are counted together.', 'user'),
  key: option(prompt<Own>(), 'Counts by a key of your own. In code only.'),
  name: option(named('orders'), 'Name of the limit in verdicts.'),
  most: option(z.int(WHOLE).min(1, WHOLE), 'How many are handled at once.', 1),
  queue: option(
    z.int(COUNT).min(0, COUNT),
    'How many may wait for their turn. Further ones are refused. 0: none may wait.',
    10,
  ),
  maxWait: option(timeSpan, 'How long an update waits before it is refused.', '30s'),
  deadline: option(
    timeSpan,
    'How long handlers may keep others waiting. Then the next update is admitted beside them.',
    '1m',
  ),
  maxWaiting: option(z.int(COUNT).min(0, COUNT), 'How many may wait in total, in this process.', 10_000),
  maxSubjects: option(
    z.int(WHOLE).min(1, WHOLE),
    'How many subjects may be counted at once, in this process.',
    100_000,
  ),
  on: option(
    activities,
    'Activities that it counts. Default: messages, edits, taps, inline queries, reactions, votes and channel posts.',
  ),
  ...refusal,
  signal: option(
    given<AbortSignal>('an AbortSignal', (value) => value instanceof AbortSignal),
    'An abort signal that refuses all waiting updates. In code only.',
  ),
})
