import { createHash } from 'node:crypto'
import type { Plan } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import { BatchedLookUp } from './batched-look-up.js'
import { stateOf } from './failures.js'
import { functionOf } from './function/general.js'
import { quickFunction } from './function/quick.js'
import { type UsualForm, usualFunction, usualOf } from './function/usual.js'
import type { Layout } from './layout.js'
import type { Link } from './link.js'

/** The functions of a plan. */
export interface PlanFunctions {
  /** Decides any batch. */
  readonly any: string
  /** Decides a batch of asks without limits of their own. */
  readonly plain: string
  /** Decides one ordinary ask; hands any other over to `plain`. */
  readonly quick: string
  /** Decides many ordinary asks; undefined if it would be of no use for the plan. */
  readonly usual: { readonly name: string; readonly form: UsualForm } | undefined
  /** The statements that create them. */
  readonly sql: string
}

/**
 * Generates the functions of a plan. Names are digests of the text, so workers share the functions of equal plans and only of
 * those.
 */
export function planFunction(layout: Layout, s: string): PlanFunctions {
  const { args, body } = functionOf({ layout, s, ownLimits: true })
  const any = `judge_${digestOf(`${args}\n${body}`)}`
  const { body: plainBody } = functionOf({ layout, s, ownLimits: false })
  const plain = `plain_${digestOf(`${args}\n${plainBody}`)}`
  const short = quickFunction(layout, s, plain)
  const quick = `quick_${digestOf(`${short.args}\n${short.body}`)}`
  const statements = [
    statement(`${s}.${any}`, args, body),
    statement(`${s}.${plain}`, args, plainBody),
    statement(`${s}.${quick}`, short.args, short.body),
  ]
  const form = usualOf(layout)
  let usual: PlanFunctions['usual']
  if (form !== undefined) {
    const many = usualFunction(layout, form, s, plain)
    usual = { name: `usual_${digestOf(`${many.args}\n${many.body}`)}`, form }
    statements.push(statement(`${s}.${usual.name}`, many.args, many.body))
  }
  return { any, plain, quick, usual, sql: statements.join('\n') }
}

/** Returns the names of a plan's functions. */
export function namesOf({ any, plain, quick, usual }: PlanFunctions): string[] {
  return [any, plain, quick, ...(usual === undefined ? [] : [usual.name])]
}

/**
 * The query plans are generic: only the number of subjects varies, and planning would take longer than the batch. Without
 * statistics the planner would choose sequential scans for tables that are still small, and keep them when the tables have grown.
 * Without nested loops or scans by `ctid`, which a role may have disabled, every execution would be estimated as so expensive that
 * it is compiled first, which takes longer than an update may take.
 */
const SETTINGS = 'SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off'

function digestOf(text: string): string {
  return createHash('sha256').update(`${SETTINGS}\n${text}`).digest('hex').slice(0, 24)
}

function statement(name: string, args: string, body: string): string {
  const quote = '$judge$'
  return [
    `CREATE OR REPLACE FUNCTION ${name}(${args}) RETURNS int8[]`,
    `LANGUAGE plpgsql VOLATILE ${SETTINGS} AS`,
    `${quote}${body}\n${quote};`,
  ].join('\n')
}

interface Wanted {
  readonly plan: Plan
  readonly made: PlanFunctions
}

/** Creates missing functions of plans. Requests made at the same time are handled together. */
export class Functions {
  private readonly making: BatchedLookUp<Wanted, SentinelError | undefined>

  constructor(private readonly link: Link) {
    this.making = new BatchedLookUp((wanted) => this.makeAll(wanted))
  }

  /**
   * Creates a plan's functions unless they exist.
   *
   * @throws SentinelError `storage.permission`, with the statements to run, if the role lacks the right.
   */
  async make(plan: Plan, made: PlanFunctions): Promise<void> {
    const error = await this.making.ask({ plan, made })
    if (error !== undefined) throw error
  }

  private async makeAll(wanted: readonly Wanted[]): Promise<(SentinelError | undefined)[]> {
    const missing = await this.missing((text, values) => this.link.query(text, values), wanted)
    const errors = new Map<Wanted, SentinelError>()
    if (missing.length > 0) {
      // If one fails, create the functions one plan at a time, so that the others do not fail with it.
      await this.create(missing).catch(async (error: SentinelError) => {
        for (const one of missing) {
          await (missing.length === 1 ? Promise.reject(error) : this.create([one])).catch(
            (own: SentinelError) => errors.set(one, this.explained(one, own)),
          )
        }
      })
    }
    return wanted.map((one) => errors.get(one))
  }

  /** Creates functions under the schema's lock. Other workers may have created them meanwhile, so the check is repeated. */
  private create(wanted: readonly Wanted[]): Promise<void> {
    return this.link.alone(async (client) => {
      const ask: Ask = async (text, values) => (await client.query(text, values)).rows
      const missing = await this.missing(ask, wanted)
      if (missing.length === 0) return
      await client.query([...new Set(missing.map(({ made }) => made.sql))].join('\n'))
      await this.missing(ask, missing)
    })
  }

  /** Returns the plans with missing functions, and records for existing functions that they are in use. */
  private async missing(ask: Ask, wanted: readonly Wanted[]): Promise<Wanted[]> {
    const plans = new Map(
      wanted.flatMap(({ plan, made }) =>
        namesOf(made).map((name): [string, string] => [name, JSON.stringify(plan.name)]),
      ),
    )
    const rows = await ask(
      `WITH there AS (
         SELECT DISTINCT proname::text AS name FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
         WHERE proname = ANY ($1) AND nspname = $3
       ), noted AS (
         INSERT INTO ${this.link.s}.plans (function, plan)
         SELECT function, plan FROM unnest($1::text[], $2::text[]) AS w(function, plan)
         WHERE function IN (SELECT name FROM there) ORDER BY function
         ON CONFLICT (function) DO UPDATE SET used_at = now()
       )
       SELECT name FROM there`,
      [[...plans.keys()], [...plans.values()], this.link.schema],
    )
    const there = new Set(rows.map(({ name }) => name))
    return wanted.filter(({ made }) => !namesOf(made).every((name) => there.has(name)))
  }

  private explained({ plan, made }: Wanted, error: SentinelError): SentinelError {
    if (stateOf(error) !== '42501') return error
    return new SentinelError(
      'storage.permission',
      `postgres: this role may not create the function of plan "${plan.name}". Let the owner of schema ${this.link.s} run:\n${made.sql}`,
      { cause: error.cause },
    )
  }
}

type Ask = (text: string, values: unknown[]) => Promise<readonly { readonly name: string }[]>
