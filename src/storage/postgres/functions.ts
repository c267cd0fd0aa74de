import { createHash } from 'node:crypto'
import type { Plan } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import { stateOf } from './failures.js'
import { functionOf } from './function.js'
import { quickFunction } from './function-quick.js'
import type { Layout } from './layout.js'
import type { Link } from './link.js'

/** The functions made for a plan. */
export interface PlanFunctions {
  /** Decides any batch. */
  readonly any: string
  /** Decides a batch of asks without limits of their own. */
  readonly plain: string
  /** Decides one ask that is as most are; hands over to the other where it is not. */
  readonly quick: string
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
  const sql = [
    statement(`${s}.${any}`, args, body),
    statement(`${s}.${plain}`, args, plainBody),
    statement(`${s}.${quick}`, short.args, short.body),
  ].join('\n')
  return { any, plain, quick, sql }
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

/**
 * Makes a plan's function, unless it is there. Its argument types are those of its text: a plan with other scopes is
 * another text.
 *
 * @throws SentinelError `storage.permission`, with the statement to run, where the role may not.
 */
export async function createFunction(
  link: Link,
  plan: Plan,
  { any, plain, quick, sql }: PlanFunctions,
): Promise<void> {
  const [found] = await link.query<{ there: boolean }>(
    `SELECT count(*) = 3 AS there FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
      WHERE proname = ANY ($1) AND nspname = $2`,
    [[any, plain, quick], link.schema],
  )
  if (found?.there !== true) {
    try {
      await link.alone((client) => client.query(sql))
    } catch (error) {
      if (stateOf(error) !== '42501') throw error
      throw new SentinelError(
        'storage.permission',
        `postgres: this role may not create the function of plan "${plan.name}". Let the owner of schema ${link.s} run:\n${sql}`,
        { cause: (error as SentinelError).cause },
      )
    }
  }
  await link.query(
    `INSERT INTO ${link.s}.plans (function, plan) SELECT unnest($1::text[]), $2 ON CONFLICT (function) DO UPDATE SET used_at = now()`,
    [[any, plain, quick], JSON.stringify(plan.name)],
  )
}
