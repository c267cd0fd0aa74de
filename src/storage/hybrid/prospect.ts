import type { Ask, Check, Plan } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import type { Key } from '../../core/subject.js'
import { canonicalKey, type Refusal, type RefusalMemory } from './refusals.js'

/** What stands before a check and may decide before it. */
interface Before {
  readonly index: number
  readonly check: Check
  /**
   * `never`: what is remembered behind it answers nothing, if it is asked. `fresh`: only for tokens that nobody can have
   * taken. `same`: only if it was asked about the same subject. `own`: only where it counts the same subject.
   */
  readonly rule: 'never' | 'fresh' | 'same' | 'own'
  /** Of a claim: which of the ask's tokens is its own. */
  readonly claim: number
}

interface Outlook {
  readonly check: Check
  readonly isRememberable: boolean
  /** Refusals count as violations until a ban begins. */
  readonly isPenal: boolean
  /** Marks of its variants may lapse, which nobody tells. */
  readonly isVaried: boolean
  readonly noticeEvery: Ms | undefined
  readonly claim: number
  readonly before: readonly Before[]
  /** Scopes whose marks decide with it, but for its own. */
  readonly scopes: readonly number[]
}

interface Seen {
  top: number
  topAt: Ms
}

/** Which refusals of one plan may be given again without asking, and for which asks. */
export class Prospect {
  readonly outlooks: readonly Outlook[]
  private readonly sequences: readonly {
    readonly index: number
    readonly claim: number
    readonly holdFor: Ms
  }[]
  /** By bot: of each sequence, the highest token that has been asked for. */
  private readonly seen = new Map<number, Seen[]>()

  constructor(
    readonly plan: Plan,
    private readonly memory: RefusalMemory,
  ) {
    const { checks } = plan
    let claims = 0
    const claimOf = checks.map(({ kind }) => (kind === 'claim' ? claims++ : -1))
    this.outlooks = checks.map((check, index) => outlookOf(checks, claimOf, check, index))
    this.sequences = checks.flatMap((check, index) =>
      check.kind === 'claim' && check.tokens === 'sequence'
        ? [{ index, claim: claimOf[index] as number, holdFor: check.holdFor }]
        : [],
    )
  }

  /** The refusal that an ask would get, and that has no effect. */
  find(ask: Ask, now: Ms, told: boolean): Refusal | undefined {
    const { bot, subjects, costs, limits } = ask
    let found: Refusal | undefined
    for (let scope = 0; scope < subjects.length; scope++) {
      const key = subjects[scope]
      if (key === undefined) continue
      for (let each = this.memory.of(bot, key); each !== undefined; each = each.next) {
        if (each.owner !== this || each.until <= now || each.told !== told) continue
        if (found !== undefined && found.check <= each.check) continue
        const outlook = this.outlooks[each.check] as Outlook
        if (outlook.check.subject !== scope || !((costs[each.check] as number) >= each.cost)) continue
        if (limits?.[each.check] !== undefined) continue
        if (outlook.claim >= 0 && ask.tokens[outlook.claim] !== each.token) continue
        found = each
      }
    }
    return found !== undefined && this.fits(found, ask, now) ? found : undefined
  }

  /** Notes which tokens the storage is asked for. */
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

  /** A token was let go of by another worker: whoever takes it now asks the storage. */
  released(bot: number, slot: string, token: number, now: Ms): void {
    const all = this.seen.get(bot)
    this.sequences.forEach(({ index, holdFor }, i) => {
      const known = all?.[i]
      if (known !== undefined && this.plan.checks[index]?.slot === slot) raise(known, token, now, holdFor)
    })
  }

  /** Subjects whose marks a refusal depends on, but for its own. */
  othersOf({ subjects }: Ask, by: number): Key[] {
    const own = subjects[(this.outlooks[by] as Outlook).check.subject]
    const keys = new Set<Key>()
    for (const scope of (this.outlooks[by] as Outlook).scopes) {
      const key = subjects[scope]
      if (key !== undefined && key !== own) keys.add(canonicalKey(key))
    }
    return [...keys]
  }

  private fits(refusal: Refusal, ask: Ask, now: Ms): boolean {
    const { before, scopes, check } = this.outlooks[refusal.check] as Outlook
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
   * Whether nobody can have taken a token: it is above all that this worker has seen, tokens being handed out in order. One
   * that was let go of would be below, or another worker has told of it. One whose lease has lapsed is older than what was
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
  // After a quiet week Telegram begins with a new random update id. A claim that is so old is held no longer.
  if (token <= seen.top && seen.topAt > now - holdFor) return
  seen.top = token
  seen.topAt = now
}

function outlookOf(
  checks: readonly Check[],
  claimOf: readonly number[],
  check: Check,
  index: number,
): Outlook {
  const { penalty, noticeEvery } = check.onRefusal ?? {}
  const before = checks.slice(0, index).flatMap((each, nth): Before[] => {
    const rule = ruleOf(each)
    return rule === undefined ? [] : [{ index: nth, check: each, rule, claim: claimOf[nth] as number }]
  })
  const scopes = new Set<number>()
  if (check.unless !== undefined) scopes.add(check.unless.subject)
  const variants = check.kind === 'bucket' || check.kind === 'window' ? (check.variants ?? []) : []
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
  if (check.kind === 'bucket' || check.kind === 'window') return true
  // Until when a ban holds cannot be told from how long a mark or a claim does.
  if (check.onRefusal?.penalty !== undefined) return false
  if (check.kind !== 'claim') return true
  return (
    check.tokens === 'digest' &&
    check.whenHeld === 'refuse' &&
    check.retry !== true &&
    check.lease === undefined
  )
}

/** Undefined: whatever it would say, the ask is refused. */
function ruleOf(check: Check): Before['rule'] | undefined {
  const shadow = check.shadow === true
  const penal = check.onRefusal?.penalty !== undefined
  if (check.kind === 'absent' || check.kind === 'present') {
    // A refusal by it would be a violation, and must be counted.
    return shadow ? 'same' : penal ? 'never' : undefined
  }
  if (shadow) return 'never'
  if (check.kind === 'claim') return check.tokens === 'sequence' && !penal ? 'fresh' : 'never'
  return penal ? 'own' : undefined
}
