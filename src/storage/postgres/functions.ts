import { createHash } from 'node:crypto'
import type { Plan } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import { stateOf } from './failures.js'
import { functionOf } from './function.js'
import { quickFunction } from './function-quick.js'
import { type UsualForm, usualFunction, usualOf } from './function-usual.js'
import type { Layout } from './layout.js'
import type { Link } from './link.js'
import { Together } from './together.js'

/** The functions made for a plan. */
export interface PlanFunctions {
  /** Decides any batch. */
  readonly any: string
  /** Decides a batch of asks without limits of their own. */
  readonly plain: string
  /** Decides one ask that is as most are; hands over to the other where it is not. */
  readonly quick: string
  /** Decides many asks that are as most are; undefined where the plan has none that would be of use. */
  readonly usual: { readonly name: string; readonly form: UsualForm } | undefined
  /** The statements that make them. */
  readonly sql: string
}

/** Their names are digests of their text, so that workers with one plan share them and others cannot be mistaken for them. */
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

/** The functions of a plan by name. */
export function namesOf({ any, plain, quick, usual }: PlanFunctions): string[] {
  return [any, plain, quick, ...(usual === undefined ? [] : [usual.name])]
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24)
}

function statement(name: string, args: string, body: string): string {
  const quote = '$judge$'
  return [
    `CREATE OR REPLACE FUNCTION ${name}(${args}) RETURNS int8[]`,
    // Planned once: how many subjects there are is all that differs, and a plan takes longer than a batch. Without
    // statistics the planner reads small tables from end to end, and would keep to that when they have grown.
    'LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS',
    `${quote}${body}\n${quote};`,
  ].join('\n')
}

interface Wanted {
  readonly plan: Plan
  readonly made: PlanFunctions
}

/** Makes the functions of plans that are not there, all that are asked for at one time together. */
export class Functions {
  private readonly making: Together<Wanted, SentinelError | undefined>

  constructor(private readonly link: Link) {
    this.making = new Together((wanted) => this.makeAll(wanted))
  }

  /**
   * Makes a plan's functions, unless they are there. Their argument types are those of their texts: a plan with other scopes
   * is another text.
   *
   * @throws SentinelError `storage.permission`, with the statements to run, where the role may not.
   */
  async make(plan: Plan, made: PlanFunctions): Promise<void> {
    const error = await this.making.ask({ plan, made })
    if (error !== undefined) throw error
  }

  private async makeAll(wanted: readonly Wanted[]): Promise<(SentinelError | undefined)[]> {
    const missing = await this.missing((text, values) => this.link.query(text, values), wanted)
    const errors = new Map<Wanted, SentinelError>()
    if (missing.length > 0) {
      // One that cannot be made must not keep the others from being made.
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

  /** Alone among all workers, who may be about to make the same: so each looks once more. */
  private create(wanted: readonly Wanted[]): Promise<void> {
    return this.link.alone(async (client) => {
      const ask: Ask = async (text, values) => (await client.query(text, values)).rows
      const missing = await this.missing(ask, wanted)
      if (missing.length === 0) return
      await client.query([...new Set(missing.map(({ made }) => made.sql))].join('\n'))
      await this.missing(ask, missing)
    })
  }

  /** Those that are not there; of all others it is noted that they are in use. */
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
