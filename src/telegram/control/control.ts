import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { SentinelError } from '../../core/errors.js'
import { nearest } from '../../core/nearest.js'
import type { Answering } from '../bot-api/exchange.js'
import type { ControlAsking, Front } from '../bot-api/server.js'
import type { Telegram } from '../telegram.js'
import { Refusal } from '../world/refusal.js'
import { ACTION_NAMES } from './actions.js'
import { describeControl } from './openapi.js'
import { Problem } from './problem.js'
import type { Input, Route } from './route.js'
import { ROUTES } from './routes.js'
import { Stage } from './stage.js'

/** Too long to be guessed, even at a million requests per second. */
const SHORTEST_TOKEN = 16

/** @throws SentinelError `telegram.invalid` for a token that is too short or not printable. */
export function controlToken(given: string | undefined): string {
  const token = given ?? randomBytes(24).toString('base64url')
  if (!/^[\x21-\x7e]+$/.test(token) || token.length < SHORTEST_TOKEN)
    throw new SentinelError(
      'telegram.invalid',
      `control: the token must be ${SHORTEST_TOKEN} or more printable characters, without spaces. Leave it out to generate one.`,
    )
  return token
}

/** The control API of one Telegram, served below `/control`. */
export class Control implements Front {
  readonly #stage: Stage
  readonly #digest: Buffer
  readonly #routes: readonly { readonly route: Route; readonly pattern: RegExp }[]

  constructor(telegram: Telegram, token: string) {
    const { world, patience } = telegram.parts
    this.#stage = new Stage(telegram, world, patience)
    this.#digest = digest(token)
    this.#routes = ROUTES.map((route) => {
      const pattern = route.path.replace(/\{(\w+)\}/g, '(?<$1>-?\\d{1,16})')
      return { route, pattern: new RegExp(`^/control${pattern}/?$`) }
    })
  }

  async answer(asking: ControlAsking): Promise<Answering> {
    try {
      return await this.#answer(asking)
    } catch (error) {
      const { status, code, message } = problemOf(error)
      return json(status, { error: { code, message } })
    }
  }

  async #answer({ method, target, authorization, body }: ControlAsking): Promise<Answering> {
    const url = new URL(target, 'http://127.0.0.1')
    // The document holds no secrets, and code generators and readers have no token yet.
    if (url.pathname === '/control/openapi.json' && method === 'GET')
      return json(200, describeControl(ROUTES))
    if (!this.#mayAsk(authorization))
      throw new Problem(
        401,
        'token.invalid',
        'Send the header "Authorization: Bearer TOKEN", with the token of this control API.',
      )
    const here = this.#routes.flatMap(({ route, pattern }) => {
      const match = pattern.exec(url.pathname)
      return match === null ? [] : [{ route, groups: match.groups ?? {} }]
    })
    const found = here.find(({ route }) => route.method === method)
    if (found === undefined)
      throw missing(
        method,
        url.pathname,
        here.map(({ route }) => route.method),
      )
    const { route, groups } = found
    const input = {
      path: Object.fromEntries(Object.entries(groups).map(([name, id]) => [name, Number(id)])),
      query: check(route.query ?? NOTHING, Object.fromEntries(url.searchParams), 'query'),
      body: route.body === undefined ? undefined : check(route.body, parsed(await body()), 'body'),
      root: this.#stage.telegram.apiRoot,
    } as Input
    return json(route.status ?? 200, (await route.run(this.#stage, input)) ?? null)
  }

  /** Compares digests of equal length in constant time, so that timing reveals nothing about the token. */
  #mayAsk(authorization: string | undefined): boolean {
    const token = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
    return timingSafeEqual(digest(token), this.#digest)
  }
}

const NOTHING = z.strictObject({})

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

function json(status: number, value: unknown): Answering {
  return { status, type: 'application/json', body: Buffer.from(JSON.stringify(value)) }
}

function parsed(body: Buffer): unknown {
  try {
    return body.length === 0 ? {} : JSON.parse(body.toString('utf8'))
  } catch {
    throw new Problem(400, 'input.invalid', 'The body is not JSON.')
  }
}

function check(schema: z.ZodType, value: unknown, what: string): unknown {
  const checked = schema.safeParse(value)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const path = [what, ...(issue?.path ?? [])].join('.')
  const does: unknown = Reflect.get(Object(value), 'does')
  const meant = path === 'body.does' && typeof does === 'string' ? nearest(does, ACTION_NAMES) : undefined
  const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`
  throw new Problem(
    400,
    'input.invalid',
    `${path}: ${issue?.message ?? 'is wrong'}.${hint} See /control/openapi.json.`,
  )
}

function missing(method: string, path: string, methods: readonly string[]): Problem {
  if (methods.length > 0)
    return new Problem(405, 'route.method', `${path} takes ${methods.join(' and ')}, not ${method}.`)
  const paths = ROUTES.map((route) => `/control${route.path}`)
  const meant = nearest(path, paths)
  const hint = meant === undefined ? 'See /control/openapi.json.' : `Did you mean ${meant}?`
  return new Problem(404, 'route.missing', `There is no ${path}. ${hint}`)
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  // Something that Telegram or the simulation does not allow.
  if (error instanceof SentinelError) return new Problem(400, error.code, error.message)
  if (error instanceof Refusal) return new Problem(error.code, 'telegram.invalid', error.description)
  return new Problem(500, 'control.defect', error instanceof Error ? error.message : String(error))
}
