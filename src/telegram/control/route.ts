import type { z } from 'zod'
import type { Stage } from './stage.js'

/** One thing the control API does, and all that its document says of it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below `/control`, with names in braces. */
  readonly path: string
  readonly summary: string
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  /** What is answered, as a JSON Schema; those of the Bot API by name. */
  readonly answers: object
  /** The status of an answer. Default: 200. */
  readonly status?: number
  readonly run: (stage: Stage, input: Input) => unknown
}

/** What came in, checked by the route's own schemas. */
export interface Input {
  /** What stood in the braces of the path: ids. */
  readonly path: Readonly<Record<string, number>>
  readonly query: never
  readonly body: never
  /** Where to reach this Telegram. */
  readonly root: string
}

interface Checked<Query, Body> {
  readonly path: Readonly<Record<string, number>>
  readonly query: Query
  readonly body: Body
  readonly root: string
}

interface Definition<Query extends z.ZodObject, Body extends z.ZodType>
  extends Omit<Route, 'query' | 'body' | 'run' | 'method' | 'path'> {
  readonly query?: Query
  readonly body?: Body
  readonly run: (stage: Stage, input: Checked<z.output<Query>, z.output<Body>>) => unknown
}

/** `'POST /users'`, so that a table of routes reads like a list. */
export function route<
  Query extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Body extends z.ZodType = z.ZodUndefined,
>(at: `${Route['method']} /${string}`, definition: Definition<Query, Body>): Route {
  const [method, path] = at.split(' ') as [Route['method'], string]
  return { method, path, ...definition } as Route
}

/** A type of the Bot API, in the document that this server has of it. */
export function botApi(type: string): object {
  return { $ref: `/openapi.json#/components/schemas/${type}` }
}

export function listOf(items: object): object {
  return { type: 'array', items }
}

export const NO_CONTENT: object = { type: 'null' }
