import type { Decision, Judge, Plan } from '../../src/core/check.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import { RepeatedRefusal } from '../../src/storage/hybrid/decision.js'
import { type HybridOptions, hybrid } from '../../src/storage/hybrid.js'

/** The result of an audit. */
export interface Audit {
  /** Refusals from memory that the storage would have given, too, without writing anything. */
  exact: number
  /** Of these, refusals by a ban. */
  bans: number
  /** Refusals that the storage would have given by an earlier check, or with a notice. */
  otherwise: number
}

/** A storage with some of its methods replaced. */
export function having(storage: Storage, replaced: Partial<Storage>): Storage {
  return new Proxy(storage, {
    get(of, name) {
      const from = Object.hasOwn(replaced, name) ? replaced : of
      const value: unknown = Reflect.get(from, name)
      return typeof value === 'function' ? value.bind(from) : value
    },
  })
}

/**
 * A hybrid storage that is checked: whenever it refuses on its own, the remote storage is asked, too. That must refuse as well, for at least
 * as long and by no later check, and must not count a violation.
 */
export function audited(remote: Storage, options: HybridOptions, audit: Audit, local?: Storage): Storage {
  const truths = new Map<string, Judge>()
  const watched = having(remote, {
    async prepare(plan: Plan) {
      const judge = await remote.prepare(plan)
      truths.set(plan.name, judge)
      return judge
    },
  })
  const near = local === undefined ? hybrid(watched, options) : hybrid(local, watched, options)
  return having(near, {
    async prepare(plan: Plan) {
      const judge = await near.prepare(plan)
      const truth = truths.get(plan.name) as Judge
      return {
        async evaluate(ask, at): Promise<Decision> {
          const decision = await judge.evaluate(ask, at)
          if (!(decision instanceof RepeatedRefusal)) return decision
          const real = await truth.peek(ask, at)
          const problem = problemOf(decision, real, plan)
          if (problem !== undefined) throw new Error(`${problem}: ${shown(decision)}, really ${shown(real)}`)
          if (decision.refusedBy === real.refusedBy && !real.notice) {
            audit.exact++
            if (real.cause === 'penalty') audit.bans++
            return real
          }
          audit.otherwise++
          return truth.evaluate(ask, at)
        },
        peek: (ask, at) => judge.peek(ask, at),
        settle: (receipt, how, check) => judge.settle(receipt, how, check),
      }
    },
  })
}

function problemOf(near: Decision, real: Decision, { checks }: Plan): string | undefined {
  const check = checks[near.refusedBy]
  const isVaried = check !== undefined && 'variants' in check && (check.variants?.length ?? 0) > 0
  // Roles expire without an event: for a second at most the hybrid uses the limit of the expired role.
  if (isVaried && near.cause === 'check') return undefined
  if (real.refusedBy === -1) return 'refused what the storage would admit'
  if (real.refusedBy > near.refusedBy) return 'refused by a check that has room'
  if (real.refusedBy < near.refusedBy) return undefined
  if (near.retryAfterMs > real.retryAfterMs) return 'told to wait longer'
  if (near.cause !== real.cause) return 'told another cause'
  const isViolation = real.cause === 'check' && checks[real.refusedBy]?.onRefusal?.penalty !== undefined
  return isViolation ? 'kept a violation to itself' : undefined
}

function shown({ refusedBy, cause, retryAfterMs }: Decision): string {
  return `${cause} of ${refusedBy} for ${retryAfterMs} ms`
}
