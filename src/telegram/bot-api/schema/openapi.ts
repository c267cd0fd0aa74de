import type { Expression, Field } from './expression.js'
import {
  alternativesOf,
  fieldsOf,
  literalsOf,
  METHOD_NAMES,
  type MethodName,
  signatureOf,
  TYPE_NAMES,
  typeNamed,
} from './schema.js'

/** A JSON Schema of draft 2020-12, the dialect of OpenAPI 3.1. */
export type JsonSchema = { readonly [Keyword: string]: unknown }

interface OpenApiDocument {
  readonly openapi: string
  readonly info: JsonSchema
  readonly servers: readonly JsonSchema[]
  readonly paths: Readonly<Record<string, JsonSchema>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly [Part: string]: unknown
  }
}

const CONTENT_TYPES = [
  'application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
] as const

/**
 * Describes the whole Bot API as an OpenAPI 3.1 document. Methods that the embedded Telegram does not implement have
 * `x-embedded: false`.
 */
export function describeBotApi(server: string, isServed: (method: MethodName) => boolean): OpenApiDocument {
  const paths = Object.fromEntries(
    METHOD_NAMES.map((method) => [`/bot{token}/${method}`, pathOf(method, isServed(method))]),
  )
  return {
    openapi: '3.1.0',
    info: {
      title: 'Telegram Bot API',
      version: '10.3',
      description: 'Made from the types of @grammyjs/types. See https://core.telegram.org/bots/api.',
    },
    servers: [{ url: server }],
    paths,
    components: {
      schemas: { ...namedSchemas(paths), ApiError: API_ERROR, InputFile: INPUT_FILE },
      parameters: {
        token: {
          name: 'token',
          in: 'path',
          required: true,
          schema: { type: 'string', pattern: '^[0-9]+:.+$' },
        },
      },
    },
  }
}

const INPUT_FILE: JsonSchema = {
  description:
    'A file in a part of its own (multipart/form-data); elsewhere its file_id, a URL, or attach://part.',
  type: 'string',
}

const API_ERROR: JsonSchema = {
  type: 'object',
  required: ['ok', 'error_code', 'description'],
  properties: {
    ok: { const: false },
    error_code: { type: 'integer' },
    description: { type: 'string' },
    parameters: { $ref: '#/components/schemas/ResponseParameters' },
  },
}

function pathOf(method: MethodName, served: boolean): JsonSchema {
  const { parameters, result } = signatureOf(method)
  const taken = schemaOfFields(parameters)
  const isRequired = [...parameters.values()].some(({ optional }) => !optional)
  // Objects and arrays are encoded as JSON in form fields.
  const encoding = Object.fromEntries(
    [...parameters.values()]
      .filter(({ type }) =>
        alternativesOf(type).every((one) => one.kind === 'list' || fieldsOf(one) !== undefined),
      )
      .map(({ name }) => [name, { contentType: 'application/json' }]),
  )
  const content = CONTENT_TYPES.map((type) => [
    type,
    { schema: taken, ...(type !== 'application/json' && { encoding }) },
  ])
  return {
    post: {
      operationId: method,
      externalDocs: { url: `https://core.telegram.org/bots/api#${method.toLowerCase()}` },
      ...(!served && { 'x-embedded': false }),
      parameters: [{ $ref: '#/components/parameters/token' }],
      ...(parameters.size > 0 && {
        requestBody: { required: isRequired, content: Object.fromEntries(content) },
      }),
      responses: {
        200: answerOf('What the method answers.', {
          type: 'object',
          required: ['ok', 'result'],
          properties: { ok: { const: true }, result: schemaOf(result) },
        }),
        default: answerOf('What Telegram refuses, and why.', refOf('ApiError')),
      },
    },
  }
}

function answerOf(description: string, schema: JsonSchema): JsonSchema {
  return { description, content: { 'application/json': { schema } } }
}

/** The types that are referenced; base types that are only inherited from are inlined. */
function namedSchemas(paths: Record<string, JsonSchema>): Record<string, JsonSchema> {
  const all = Object.fromEntries(TYPE_NAMES.map((name) => [name, schemaOf(typeNamed(name))]))
  const used = new Set(JSON.stringify([paths, all, API_ERROR]).match(/(?<=#\/components\/schemas\/)[\w.]+/g))
  return Object.fromEntries(Object.entries(all).filter(([name]) => used.has(name)))
}

function refOf(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` }
}

function schemaOf(expression: Expression): JsonSchema {
  switch (expression.kind) {
    case 'string':
    case 'number':
    case 'boolean':
      return { type: expression.kind }
    case 'literal':
      return { const: expression.value }
    case 'file':
      return refOf('InputFile')
    case 'never':
      return { not: {} }
    case 'name':
      return refOf(expression.name)
    case 'list':
      return { type: 'array', items: schemaOf(expression.of) }
    case 'union': {
      const literals = literalsOf(expression)
      return literals === undefined ? { anyOf: expression.of.map(schemaOf) } : { enum: [...literals] }
    }
    default: {
      const fields = fieldsOf(expression)
      if (fields === undefined) throw new Error('no object')
      return schemaOfFields(fields)
    }
  }
}

/** Additional properties are allowed, because Telegram adds fields over time. */
function schemaOfFields(fields: ReadonlyMap<string, Field>): JsonSchema {
  const present = [...fields.values()].filter(({ type }) => type.kind !== 'never')
  const required = present.filter(({ optional }) => !optional).map(({ name }) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(present.map(({ name, type }) => [name, schemaOf(type)])),
    ...(required.length > 0 && { required }),
  }
}
