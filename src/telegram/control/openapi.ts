import { z } from 'zod'
import type { Route } from './route.js'

const PROBLEM = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', description: 'Stable: input.invalid, account.missing, telegram.invalid, …' },
        message: { type: 'string' },
      },
    },
  },
}

const REFUSALS: readonly (readonly [number, string])[] = [
  [400, 'The request is wrong, or Telegram would not allow it.'],
  [401, 'The token is missing or wrong.'],
  [404, 'Unknown route, person, bot or chat.'],
  [408, 'The awaited event did not happen in time.'],
]

/** Describes the control API as an OpenAPI 3.1 document. Bot API types refer to `/openapi.json`. */
export function describeControl(routes: readonly Route[]): object {
  const paths = new Map<string, Record<string, object>>()
  for (const route of routes) {
    const methods = paths.get(route.path) ?? {}
    methods[route.method.toLowerCase()] = operationOf(route)
    paths.set(route.path, methods)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Control of an embedded Telegram',
      // The version of this API, not of the package: it changes with breaking changes.
      version: '1',
      description:
        'Creates people, bots and chats, makes people act, and reads what bots did, for tests in any language. Bots themselves use the Bot API: see /openapi.json.',
    },
    servers: [{ url: '/control' }],
    security: [{ token: [] }],
    paths: Object.fromEntries(paths),
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  }
}

function operationOf(route: Route): object {
  return {
    operationId: operationId(route),
    summary: route.summary,
    parameters: [...pathParameters(route.path), ...queryParameters(route.query)],
    ...(route.body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body) } } },
    }),
    responses: {
      [route.status ?? 200]: answer('Done.', route.answers),
      ...Object.fromEntries(
        REFUSALS.map(([status, words]) => [status, answer(words, { $ref: '#/components/schemas/Problem' })]),
      ),
    },
  }
}

/** For example `getChatsMembersOne` for `GET /chats/{chat_id}/members/{user_id}`. */
function operationId({ method, path }: Route): string {
  const words = path.split('/').filter((word) => word !== '' && !word.startsWith('{'))
  const one = path.endsWith('}') ? 'One' : ''
  return method.toLowerCase() + words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join('') + one
}

function pathParameters(path: string): object[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'integer' },
  }))
}

function queryParameters(query: z.ZodObject | undefined): object[] {
  if (query === undefined) return []
  const { properties = {} } = schemaOf(query) as { properties?: Record<string, { description?: string }> }
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    ...(description !== undefined && { description }),
    schema,
  }))
}

function answer(description: string, schema: object): object {
  return { description, content: { 'application/json': { schema } } }
}

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' })
  return rest
}
