import type { Ask, Check, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import { isLimited, variantsOf } from '../contract/plan.js'
import { type Refusal, type RefusalMemory, reportedKey } from './refusals.js'

/** An earlier check, which may decide the ask before the remembered refusal does. */
interface Before {
  readonly index: number
  readonly check: Check
  /**
   * When a remembered refusal may be used although the ask also asks for the earlier check. `never`: it may not. `fresh`: if the
   * token cannot have been taken by anyone. `same`: if the earlier check has the same subject as it had then. `own`: if the
   * earlier check has the same subject as the refusing one.
   */
  readonly rule: 'never' | 'fresh' | 'same' | 'own'
  /** For a claim: the index of its token. */
  readonly claim: number
}

interface CheckTraits {
  readonly check: Check
  readonly isRememberable: boolean
  /** Refusals count as violations until a ban begins. */
  readonly isPenal: boolean
  /** The check has variants. Their marks may lapse, which is not reported. */
  readonly isVaried: boolean
  readonly noticeEvery: Ms | undefined
  readonly claim: number
  readonly before: readonly Before[]
  /** Other scopes whose marks the refusal depends on. */
  readonly scopes: readonly number[]
}

interface Seen {
  top: number
  topAt: Ms
}

/** Determines which refusals of one plan may be repeated without asking the storage, and for which asks. */
export class RepeatableRefusals {
  readonly traits: readonly CheckTraits[]
  private readonly sequences: readonly {
    readonly index: number
    readonly claim: number
    readonly holdFor: Ms
  }[]
  /** By bot: the highest token seen, for each sequence. */
  private readonly seen = new Map<number, Seen[]>()

  constructor(
    readonly plan: Plan,
    private readonly memory: RefusalMemory,
  ) {
    const { checks } = plan
    let claims = 0
    const claimOf = checks.map(({ kind }) => (kind === 'claim' ? claims++ : -1))
    this.traits = checks.map((check, index) => traitsOf(checks, claimOf, check, index))
    this.sequences = checks.flatMap((check, index) =>
      check.kind === 'claim' && check.tokens === 'sequence'
        ? [{ index, claim: claimOf[index] as number, holdFor: check.holdFor }]
        : [],
    )
  }

  /** Returns the remembered refusal for an ask, if repeating it has no side effects. */
  find(ask: Ask, now: Ms, told: boolean): Refusal | undefined {
    const { bot, subjects, costs, limits } = ask
    let found: Refusal | undefined
    for (let scope = 0; scope < subjects.length; scope++) {
      const key = subjects[scope]
      if (key === undefined) continue
      for (let each = this.memory.of(bot, key); each !== undefined; each = each.next) {
        if (each.owner !== this || each.until <= now || each.told !== told) continue
        if (found !== undefined && found.check <= each.check) continue
        const traits = this.traits[each.check] as CheckTraits
        if (traits.check.subject !== scope || !((costs[each.check] as number) >= each.cost)) continue
        if (limits?.[each.check] !== undefined) continue
        if (traits.claim >= 0 && ask.tokens[traits.claim] !== each.token) continue
        found = each
      }
    }
    return found !== undefined && this.fits(found, ask, now) ? found : undefined
  }

  /** Records the tokens that the storage is asked for. */
  note({ bot, costs, tokens, subjects }: Ask, now: Ms): void {
    if (this.sequences.length === 0) return
    let all = this.seen.get(bot)
    if (all === undefined) {
      all = this.sequences.map(() => ({ top: -1, topAt: now }))
      this.seen.set(bot, all)
    }
    for (let i = 0; i < all.length; i++) {
      const { index, claim, holdFor } = this.sequences[i] as (typeof this.sequences)[number]
      if (!((costs[index] as number) > 0)) continue
      if (subjects[this.plan.checks[index]?.subject as number] === undefined) continue
      raise(all[i] as Seen, tokens[claim] as number, now, holdFor)
    }
  }

  /** Another worker has released a token. Records it, so that whoever takes it next asks the storage. */
  released(bot: number, slot: string, token: number, now: Ms): void {
    const all = this.seen.get(bot)
    this.sequences.forEach(({ index, holdFor }, i) => {
      const known = all?.[i]
      if (known !== undefined && this.plan.checks[index]?.slot === slot) raise(known, token, now, holdFor)
    })
  }

  /** Returns the other subjects whose marks a refusal depends on. */
  othersOf({ subjects }: Ask, by: number): Key[] {
    const own = subjects[(this.traits[by] as CheckTraits).check.subject]
    const keys = new Set<Key>()
    for (const scope of (this.traits[by] as CheckTraits).scopes) {
      const key = subjects[scope]
      if (key !== undefined && key !== own) keys.add(reportedKey(key))
    }
    return [...keys]
  }

  private fits(refusal: Refusal, ask: Ask, now: Ms): boolean {
    const { before, scopes, check } = this.traits[refusal.check] as CheckTraits
    for (const scope of scopes) if (ask.subjects[scope] !== refusal.subjects[scope]) return false
    const own = ask.subjects[check.subject]
    for (const each of before) {
      const { index, rule } = each
      const key = ask.subjects[each.check.subject]
      const asked = (ask.costs[index] as number) > 0 && key !== undefined
      if (rule === 'same') {
        const was = refusal.subjects[each.check.subject]
        if (asked !== ((refusal.costs[index] as number) > 0 && was !== undefined)) return false
        if (asked && key !== was) return false
      } else if (asked) {
        if (rule === 'never' || (rule === 'own' && key !== own)) return false
        if (rule === 'fresh' && !this.isFresh(each, ask, now)) return false
      }
    }
    return true
  }

  /**
   * Whether a token cannot have been taken by anyone: it is higher than all that this worker has seen, and tokens are handed out
   * in order. A released token would be lower, or was announced by another worker; one whose lease has lapsed is older than those
   * seen since.
   */
  private isFresh({ index, claim, check }: Before, { bot, tokens }: Ask, now: Ms): boolean {
    const nth = this.sequences.findIndex((each) => each.index === index)
    const seen = this.seen.get(bot)?.[nth]
    if (seen === undefined || !((tokens[claim] as number) > seen.top) || seen.top < 0) return false
    return check.kind !== 'claim' || check.lease === undefined || seen.topAt > now - check.lease
  }
}

function raise(seen: Seen, token: number, now: Ms, holdFor: Ms): void {
  // After a quiet week Telegram continues with a new random update id. By then earlier claims have lapsed.
  if (token <= seen.top && seen.topAt > now - holdFor) return
  seen.top = token
  seen.topAt = now
}

function traitsOf(
  checks: readonly Check[],
  claimOf: readonly number[],
  check: Check,
  index: number,
): CheckTraits {
  const { penalty, noticeEvery } = check.onRefusal ?? {}
  const before = checks.slice(0, index).flatMap((each, nth): Before[] => {
    const rule = ruleOf(each)
    return rule === undefined ? [] : [{ index: nth, check: each, rule, claim: claimOf[nth] as number }]
  })
  const scopes = new Set<number>()
  if (check.unless !== undefined) scopes.add(check.unless.subject)
  const variants = variantsOf(check)
  for (const { subject } of variants) scopes.add(subject)
  for (const each of before) {
    if (each.rule !== 'same') continue
    scopes.add(each.check.subject)
    if (each.check.unless !== undefined) scopes.add(each.check.unless.subject)
  }
  scopes.delete(check.subject)
  return {
    check,
    isRememberable: isRememberable(check),
    isPenal: penalty !== undefined,
    isVaried: variants.length > 0,
    noticeEvery,
    claim: claimOf[index] as number,
    before,
    scopes: [...scopes],
  }
}

function isRememberable(check: Check): boolean {
  if (check.shadow === true) return false
  if (isLimited(check)) return true
  // A ban may end before or after the mark or claim that caused it, so its end is unknown.
  if (check.onRefusal?.penalty !== undefined) return false
  if (check.kind !== 'claim') return true
  return (
    check.tokens === 'digest' &&
    check.whenHeld === 'refuse' &&
    check.retry !== true &&
    check.lease === undefined
  )
}

/** Undefined: the ask is refused whatever this check decides. */
function ruleOf(check: Check): Before['rule'] | undefined {
  const shadow = check.shadow === true
  const penal = check.onRefusal?.penalty !== undefined
  if (check.kind === 'absent' || check.kind === 'present') {
    // A refusal by this check would count as a violation, so the storage must see it.
    return shadow ? 'same' : penal ? 'never' : undefined
  }
  if (shadow) return 'never'
  if (check.kind === 'claim') return check.tokens === 'sequence' && !penal ? 'fresh' : 'never'
  return penal ? 'own' : undefined
}
