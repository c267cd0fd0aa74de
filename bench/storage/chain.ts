import {
  type Ask,
  type Check,
  type Key,
  type Mark,
  type Plan,
  subject,
  subjectKey,
  userKey,
} from 'grammy-sentinel'

const GLOBAL_KEY = subjectKey(subject.global())

/** Number of users that updates come from, in turn. */
export const USERS = 50_000
export const BOT = 42

const user = (slot: string): Check => ({
  kind: 'bucket',
  guard: 'throttle',
  slot,
  subject: 0,
  // So high that nobody is refused, because a refusal is cheaper than an admission.
  limit: { amount: 100_000, per: 1000 },
})

/** Block, auth, once, a bucket for the user, debounce. */
export const CHAIN: Plan = {
  name: 'bench',
  scopes: ['actor', 'global'],
  checks: [
    { kind: 'absent', guard: 'block', slot: 'block', subject: 0, anyOf: ['blocked'] },
    { kind: 'present', guard: 'auth', slot: 'auth', subject: 0, anyOf: ['registered'] },
    {
      kind: 'claim',
      guard: 'once',
      slot: 'once',
      subject: 1,
      tokens: 'sequence',
      holdFor: 86_400_000,
      retry: true,
      whenHeld: 'refuse',
    },
    user('user'),
    {
      kind: 'claim',
      guard: 'debounce',
      slot: 'debounce',
      subject: 0,
      tokens: 'digest',
      holdFor: 500,
      whenHeld: 'refuse',
    },
  ],
}

/** The same with further buckets for the chat and the whole bot. */
export const WIDE: Plan = {
  name: 'wide',
  scopes: ['actor', 'global', 'chat'],
  checks: [...CHAIN.checks, { ...user('chat'), subject: 2 }, { ...user('global'), subject: 1 }],
}

/** A plan with this many buckets on one user. */
export function buckets(count: number): Plan {
  return {
    name: `buckets${count}`,
    scopes: ['actor'],
    checks: Array.from({ length: count }, (_, index) => user(`bucket${index}`)),
  }
}

const ONES: readonly number[] = Object.freeze(Array.from({ length: 31 }, () => 1))

/** The ask of the nth update. */
export function askOf(plan: Plan, nth: number): Ask {
  const key = userOf(nth)
  const subjects: Key[] = plan.scopes.map((scope) =>
    scope === 'actor' ? key : scope === 'global' ? GLOBAL_KEY : userKey(1_000_000 + (nth % 100)),
  )
  return { bot: BOT, subjects, costs: ONES, tokens: [nth, nth] }
}

/** The marks of all users who are registered, which the chain demands. */
export function registered(): { readonly key: Key; readonly mark: Mark }[] {
  return Array.from({ length: USERS }, (_, nth) => ({ key: userOf(nth), mark: { since: Date.now() } }))
}

function userOf(nth: number): Key {
  return userKey(1 + (nth % USERS))
}
