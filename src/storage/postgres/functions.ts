import { createHash } from 'node:crypto'
import type { Plan } from '../../core/check.js'
import { SentinelError } from '../../core/errors.js'
import { stateOf } from './failures.js'
import { functionOf } from './function.js'
import type { Layout } from './layout.js'
import type { Link } from './link.js'

/** A function made for a plan. */
export interface PlanFunction {
  readonly name: string
  /** The statement that makes it. */
  readonly sql: string
}

/** Its name is a digest of its text, so that workers with one plan share it and others cannot be mistaken for it. */
export function planFunction(layout: Layout, s: string): PlanFunction {
  const { args, body } = functionOf(layout, s)
  const digest = createHash('sha256').update(`${args}\n${body}`).digest('hex').slice(0, 24)
  const name = `judge_${digest}`
  const quote = `$judge_${digest}$`
  const sql = [
    `CREATE OR REPLACE FUNCTION ${s}.${name}(${args}) RETURNS int8[]`,
    // Without statistics the planner reads small tables from end to end, and keeps to that when they have grown.
    'LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS',
    `${quote}${body}\n${quote};`,
  ].join('\n')
  return { name, sql }
}

/**
 * Makes a plan's function, unless it is there. Its argument types are those of its text: a plan with other scopes is
 * another text.
 *
 * @throws SentinelError `storage.permission`, with the statement to run, where the role may not.
 */
export async function createFunction(link: Link, plan: Plan, { name, sql }: PlanFunction): Promise<void> {
  const [found] = await link.query<{ there: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
      WHERE proname = $1 AND nspname = $2) AS there`,
    [name, link.schema],
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
    `INSERT INTO ${link.s}.plans (function, plan) VALUES ($1, $2) ON CONFLICT (function) DO UPDATE SET used_at = now()`,
    [name, plan.name],
  )
}
