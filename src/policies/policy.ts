import type { Context } from 'grammy'
import { isPromise, type MaybePromise } from '../core/check.js'
import { SentinelError } from '../core/errors.js'
import { shown } from '../core/show.js'
import { guardOf } from '../middleware/compose.js'
import type {
  Admission,
  Guard,
  GuardDefinition,
  GuardServices,
  PolicyNames,
  Wired,
  Wiring,
} from '../middleware/guard.js'
import { noteAsked } from './names.js'
import { definitionsOf, PolicyBook, unknownPolicy } from './policy-book.js'
import {
  checkName,
  checkOverride,
  type Policy,
  type PolicyOptions,
  type PolicyOverride,
} from './policy-options.js'

/** The policy that a guard applies, and the overrides of its handler. */
interface PolicyUse {
  readonly policy: string | Policy
  readonly own: PolicyOverride | undefined
}

/** The policy of each guard made by {@link policy}, for `guard.explain()`. */
const uses = new WeakMap<object, PolicyUse>()

/** Returns the policy that a guard applies; undefined for any other guard. */
export function useOf(guard: object): PolicyUse | undefined {
  return uses.get(guard)
}

/**
 * Returns a guard that applies a policy, to be put in front of a handler, around it, or wherever guards may stand. All its parts
 * are decided together, along with neighbouring guards.
 *
 * A name is looked up in the sentinel upstream. A name that no sentinel defines is reported as a warning as soon as a bot is met
 * (`policy.unknown`, with a suggestion), and no update passes. `guard.policy('checkout')` of a sentinel looks the name up at once
 * and throws; a policy given as a value needs no lookup.
 *
 * @param which The name of a policy of the sentinel upstream, or a policy made by {@link definePolicy}.
 * @param own Overrides for this handler, merged over the policy.
 * @throws SentinelError `option.invalid`, `option.unknown`, `limit.invalid`, `duration.invalid`, `scope.unknown`; when it is
 * wired, `policy.unknown` with a suggestion, `policy.cycle`, `role.unknown`.
 *
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { policy, sentinel } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * const guard = sentinel({ policies: { checkout: { throttle: '3/1m', debounce: '1s', roles: ['customer'] } } })
 * bot.use(guard)
 * bot.command('buy', guard.policy('checkout'), (ctx) => ctx.reply('Thank you!'))
 * bot.command('sell', policy('checkout', { throttle: '1/1m' }), (ctx) => ctx.reply('Sold!'))
 * ```
 */
export function policy<C extends Context = Context>(
  which: string | Policy<C>,
  own?: PolicyOverride<C>,
): Guard<C> {
  return policyGuard(which as string | Policy, own as PolicyOverride | undefined) as unknown as Guard<C>
}

/**
 * Like {@link policy}; with `book`, names are looked up in that book at once.
 *
 * @param bookOf Returns the book for each wiring, because options may have changed since. By default that of the sentinel upstream.
 */
export function policyGuard(
  which: string | Policy,
  own: PolicyOverride | undefined,
  book?: PolicyBook | undefined,
  bookOf: (services: GuardServices) => PolicyNames | undefined = ({ policies }) => policies,
): Guard {
  checkOverride(own)
  const use = { policy: checkedPolicy(which), own }
  // Mistakes that are visible already are reported now rather than with the first update.
  if (book !== undefined) definitionsOf(book.resolved(use.policy, own))
  else if (isSelfContained(use.policy)) definitionsOf(new PolicyBook().resolved(use.policy, own))
  else if (typeof use.policy === 'string') noteAsked(use.policy)
  const name = typeof which === 'string' ? which : which.name
  const guard = guardOf({
    name: `policy ${name}`,
    wire: (wiring) => together(definitionsIn(use, bookOf(wiring.services)), wiring),
  })
  uses.set(guard, use)
  return guard
}

function definitionsIn(
  { policy, own }: PolicyUse,
  names: PolicyNames | undefined,
): readonly GuardDefinition[] {
  if (typeof policy !== 'string') {
    const book = names instanceof PolicyBook ? names : new PolicyBook()
    // When guards are wired only to be checked, names cannot be looked up yet.
    if (names !== undefined && book !== names && !isSelfContained(policy)) return []
    return definitionsOf(book.resolved(policy, own))
  }
  if (names === undefined) throw unknownPolicy('policy', policy, [])
  return names.definitionsOf(policy, own)
}

/** Whether a policy and all policies it extends are values rather than names. */
function isSelfContained(policy: string | PolicyOptions | undefined): boolean {
  if (policy === undefined) return true
  return typeof policy !== 'string' && isSelfContained(policy.extends)
}

function checkedPolicy(which: unknown): string | Policy {
  if (typeof which === 'string') {
    checkName(which, 'policy')
    return which
  }
  if (typeof which === 'object' && which !== null && typeof Reflect.get(which, 'name') === 'string') {
    return which as Policy
  }
  throw new SentinelError(
    'option.invalid',
    `policy: ${shown(which)} is not a policy. Pass its name, or the result of definePolicy().`,
  )
}

/** Wires several guards as one. The guards of a policy neither observe updates nor limit concurrency, so that is not combined. */
function together(
  definitions: readonly GuardDefinition[],
  wiring: Wiring<Context>,
): Wired<Context> | undefined {
  const all = definitions.flatMap((definition) => definition.wire(wiring) ?? [])
  const [only] = all
  if (all.length <= 1) return only
  const admitters = all.filter(({ admit }) => admit !== undefined)
  const diverters = all.filter(({ divert }) => divert !== undefined)
  const sum = (what: 'waiting' | 'running') => () =>
    all.reduce((count, each) => count + (each[what]?.() ?? 0), 0)
  const [judge] = admitters
  return {
    begin: () => {
      for (const each of all) each.begin?.()
    },
    needs: [...new Set(all.flatMap(({ needs = [] }) => needs))],
    ...(all.some(({ apart }) => apart) && { apart: true }),
    ...(all.some(({ waiting }) => waiting) && { waiting: sum('waiting'), running: sum('running') }),
    // All at once: close() drops bursts as soon as their drain has begun.
    async drain() {
      await Promise.all(all.map((each) => each.drain?.()))
    },
    ...(judge?.denial !== undefined && { denial: judge.denial }),
    ...(judge?.shadow !== undefined && { shadow: judge.shadow }),
    ...(admitters.length > 0 && {
      admit: (...update) => admitAll(admitters, 0, ...update),
    }),
    ...(diverters.length > 0 && {
      divert: (...update) => diverters.some((each) => each.divert?.(...update) === true),
      fire() {
        const fired = diverters.flatMap((each) => each.fire?.() ?? [])
        return fired.length === 0 ? undefined : Promise.all(fired)
      },
    }),
  }
}

/** Asks the guards in turn, synchronously as long as they answer synchronously. */
function admitAll(
  admitters: readonly Wired<Context>[],
  from: number,
  ...asked: Parameters<Required<Wired<Context>>['admit']>
): MaybePromise<Admission | undefined> {
  const go = (admission: Admission | undefined): MaybePromise<Admission | undefined> =>
    admission?.veto !== undefined || from + 1 >= admitters.length
      ? admission
      : admitAll(admitters, from + 1, ...asked)
  const admission = admitters[from]?.admit?.(...asked)
  return isPromise(admission) ? admission.then(go) : go(admission)
}
