import type { z } from 'zod'
import type { Stage } from './stage.js'

/** A route of the control API, with its documentation. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Path below `/control`, with parameters in braces. */
  readonly path: string
  readonly summary: string
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  /** JSON Schema of the answer; types of the Bot API by reference. */
  readonly answers: object
  /** HTTP status of the answer. Default: 200. */
  readonly status?: number
  readonly run: (stage: Stage, input: Input) => unknown
}

/** A request, validated by the schemas of its route. */
export interface Input {
  /** Path parameters, which are all ids. */
  readonly path: Readonly<Record<string, number>>
  readonly query: never
  readonly body: never
  /** URL of this Telegram. */
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

/** Defines a route; takes `'POST /users'` so that the table of routes reads like a list. */
export function route<
  Query extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Body extends z.ZodType = z.ZodUndefined,
>(at: `${Route['method']} /${string}`, definition: Definition<Query, Body>): Route {
  const [method, path] = at.split(' ') as [Route['method'], string]
  return { method, path, ...definition } as Route
}

/** Refers to a type of the Bot API in this server's own OpenAPI document. */
export function botApi(type: string): object {
  return { $ref: `/openapi.json#/components/schemas/${type}` }
}

export function listOf(items: object): object {
  return { type: 'array', items }
}

export const NO_CONTENT: object = { type: 'null' }
