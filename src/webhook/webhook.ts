import type { Bot } from 'grammy'
import { type Duration, type Ms, parseDuration } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { type Later, later, madeLater, preload } from '../core/later.js'
import { connectedTo } from './connections.js'
import type { Door, WebhookHost } from './door.js'
import type { DrainOptions } from './drain-options.js'
import type { FetchInfo } from './fetch.js'
import type { HonoContext } from './hono.js'
import type * as Code from './lazy-parts.js'
import type { BodyKeeper, BodyStream, IncomingUpdate, OutgoingAnswer } from './node.js'
import { readWebhook, type WebhookOptions, type WebhookSettings } from './options.js'

/**
 * The part of a fastify instance that a webhook uses.
 *
 * @example
 * ```ts
 * import fastify from 'fastify'
 * import { Bot } from 'grammy'
 * import { sentinel } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * const webhook = sentinel().install(bot).webhook(bot, { secret: 'what-setWebhook-was-given' })
 * void fastify().register(webhook.fastify, { path: '/telegram' })
 * ```
 */
export interface FastifyScope {
  removeAllContentTypeParsers(): unknown
  addContentTypeParser(
    type: string,
    parser: (request: unknown, payload: unknown, done: (error: null, body?: unknown) => void) => void,
  ): unknown
  post(
    path: string,
    handler: (
      request: { readonly raw: IncomingUpdate; readonly body?: unknown; readonly rawBody?: unknown },
      reply: FastifyAnswer,
    ) => unknown,
  ): unknown
}

/**
 * The part of a fastify reply that a webhook uses.
 *
 * @example
 * ```ts
 * import type { FastifyReply } from 'fastify'
 * import type { FastifyAnswer } from 'grammy-sentinel'
 *
 * const asAnswer = (reply: FastifyReply): FastifyAnswer => reply
 * ```
 */
export interface FastifyAnswer {
  readonly raw: OutgoingAnswer
  hijack(): unknown
}

/**
 * What `drainOn` listens to: `process`, or another source of signals.
 *
 * @example
 * ```ts
 * import type { SignalSource } from 'grammy-sentinel'
 *
 * const source: SignalSource = process
 * ```
 */
export interface SignalSource {
  on(signal: string, listener: () => void): unknown
  off(signal: string, listener: () => void): unknown
}

const WITHIN: Ms = parseDuration('25s')

const opening = later('guard.webhook', () => import('./lazy-parts.js'))

/**
 * Receives updates from Telegram over HTTP, in place of grammY's `webhookCallback`. Made by `guard.webhook(bot)`. Pass the
 * adapter for your server (`http`, `fetch`, `hono`, `fastify`) without calling it; adapters need no `this`.
 *
 * Every request is answered: 200 if the update was handled, refused or a duplicate; 400 if the body is not an update; 401 without
 * the secret; 403 for a caller that is not allowed; 405 for a method other than POST; 413 if the body is too large; 500 if you
 * chose `retry`, or after an internal error; 503 while draining, when too many updates are under way, or when the bot could not be
 * initialised in time.
 *
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { Bot } from 'grammy'
 * import { sentinel, type Webhook } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * const guard = sentinel().install(bot)
 * const webhook: Webhook = guard.webhook(bot, { secret: 'what-setWebhook-was-given' })
 * const server = createServer(webhook.http).listen(8080)
 * webhook.drainOn(process, { server })
 * ```
 */
export class Webhook {
  /** Loaded on demand, to keep the code out of bots that poll. */
  private readonly opened: Later<Opened>
  private drained: Promise<{ readonly left: number }> | undefined
  private readonly settings: WebhookSettings

  /** Called by `guard.webhook()`. */
  constructor(
    bot: Bot,
    private readonly host: WebhookHost,
    options: WebhookOptions,
  ) {
    const settings = readWebhook(options)
    this.settings = settings
    if (bot.isRunning()) {
      throw new SentinelError(
        'bot.started',
        'guard.webhook(bot): the bot is running by bot.start(), and Telegram delivers updates in one way only. Call one of the two.',
      )
    }
    bot.start = () => {
      throw new SentinelError(
        'bot.started',
        'bot.start(): this bot takes updates from guard.webhook(bot), and polling would remove the webhook. Call one of the two.',
      )
    }
    host.webhooks.add(this)
    host.services().bots.note(bot.api)
    this.warn()
    this.opened = madeLater(opening, ({ Door, ...code }) => ({
      ...code,
      door: new Door(bot, host, settings),
    }))
    preload(this.opened)
  }

  /** Adapter for `createServer(webhook.http)` of `node:http`, and for express, also behind a body parser. */
  readonly http = (request: IncomingUpdate, response: OutgoingAnswer): void => this.serve(request, response)

  private serve(
    request: IncomingUpdate,
    response: OutgoingAnswer,
    made?: BodyStream,
    keeper: BodyKeeper = request,
  ): void {
    const opened = this.opened.now
    if (opened !== undefined) {
      const { door, NodeExchange } = opened
      new NodeExchange(door, request, response, made, keeper).begin()
      return
    }
    this.opened
      .load()
      .then(() => this.serve(request, response, made, keeper))
      .catch((error: unknown) => {
        this.unopened(error)
        if (response.headersSent) return
        response.statusCode = 500
        response.end()
      })
  }

  /** Adapter for servers with the fetch API: `Deno.serve`, `Bun.serve`, workers. Does not reject. */
  readonly fetch = (request: Request, info: FetchInfo = {}): Promise<Response> =>
    this.answer(({ door, answerFetch }) => answerFetch(door, request, info))

  private async answer(by: (opened: Opened) => Promise<Response>): Promise<Response> {
    try {
      return await by(await this.opened.load())
    } catch (error) {
      this.unopened(error)
      return new Response(null, { status: 500 })
    }
  }

  /**
   * Adapter for hono: `app.post('/telegram', webhook.hono)`. It finds the caller's address on Node, Bun, Deno and Cloudflare; on
   * other platforms pass it: `app.post('/telegram', (c) => webhook.hono(c, { address: … }))`.
   */
  readonly hono = (context: HonoContext, info?: FetchInfo | (() => Promise<void>)): Promise<Response> =>
    this.answer(({ door, answerFetch, infoOf }) =>
      // hono passes the next handler as the second argument.
      answerFetch(door, context.req.raw, infoOf(context, typeof info === 'object' ? info : {}), () =>
        context.req.text(),
      ),
    )

  /**
   * Adapter for fastify, as a plugin that reads bodies itself: `app.register(webhook.fastify, { path: '/telegram' })`. Your hooks
   * that run before the body is parsed are called; those that run when a reply is sent are not.
   */
  readonly fastify = (
    scope: FastifyScope,
    { path }: { readonly path: string },
    done: (error?: Error) => void,
  ): void => {
    scope.removeAllContentTypeParsers()
    // The body is passed on unread: the request itself, or the stream that a `preParsing` hook has put in its place.
    scope.addContentTypeParser('*', (_request, payload, parsed) => parsed(null, payload))
    scope.post(path, (request, reply) => {
      const { raw, body } = request
      reply.hijack()
      const made = body === raw ? undefined : ((body ?? undefined) as BodyStream | undefined)
      this.serve(raw, reply.raw, made, request)
    })
    done()
  }

  /** Whether updates are rejected, because `drain()` was called or the guard is being closed. */
  get isDraining(): boolean {
    return this.drained !== undefined
  }

  /** Number of updates under way. */
  get size(): number {
    return this.opened.now?.door.size ?? 0
  }

  /**
   * Rejects new updates (503; Telegram keeps and resends them), waits for running handlers, and finishes background work of
   * handlers and guards: bursts, notices, answers. When the time is up, requests that still wait are answered as after `timeout`.
   * The sentinel stays open for its other bots. Rejects only for a wrong duration; a second call waits for the same drain.
   *
   * @param within The longest wait. @default '25s'
   * @returns How many updates were still under way when the time was up.
   * @throws SentinelError `duration.invalid`.
   */
  async drain(within: Duration = WITHIN): Promise<{ readonly left: number }> {
    const span = parseDuration(within, 'webhook.drain')
    this.drained ??= this.opened.load().then(
      ({ door }) => door.drain(span),
      () => ({ left: 0 }),
    )
    return this.drained
  }

  /**
   * On a signal, drains all webhooks of the guard, closes the guard, closes the `server`, whose open connections are cut off when
   * `within` is over, and calls `after`. The process ends by itself if nothing else keeps it alive. Until the guard is closed,
   * further signals have no effect.
   *
   * @returns Stops listening for signals.
   */
  drainOn(source: SignalSource, options: DrainOptions = {}): () => void {
    const { signals = ['SIGTERM'], server, within = WITHIN, after } = options
    const span = parseDuration(within, 'webhook.drainOn.within')
    const connected = connectedTo(server)
    let ending = false
    const end = (): void => {
      // Without a listener a second signal would end the process at once, with everything under way.
      if (ending) return
      ending = true
      void this.opened
        .load()
        .then(({ shutDown }) => shutDown(this.host, options, span, connected))
        .catch(async (error: unknown) => {
          this.unopened(error)
          await this.host.close(span)
          await server?.close()
          await after?.()
        })
        .catch((error: unknown) => this.unopened(error))
        .finally(stop)
    }
    const stop = (): void => {
      for (const signal of signals) source.off(signal, end)
    }
    for (const signal of signals) source.on(signal, end)
    return stop
  }

  private unopened(error: unknown): void {
    this.host.services().failed(error, 'webhook')
  }

  private warn(): void {
    const services = this.host.services()
    if (this.settings.secret === undefined) {
      services.warn(
        'webhook.unsecured',
        'guard.webhook() has no secret: anyone who finds its URL can impersonate users. Give setWebhook a secret_token, and guard.webhook() the same as secret.',
      )
    }
    if (!this.host.chain().plan.asks('once')) {
      services.warn(
        'webhook.duplicates',
        'guard.webhook() without once: an update that Telegram redelivers after a timeout or an error is handled again. Leave once on.',
      )
    }
  }
}

type Opened = Omit<typeof Code, 'Door'> & { readonly door: Door }
