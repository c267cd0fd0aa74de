import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import {
  type Facts,
  type Sentinel,
  type SentinelOptions,
  sentinel,
  type ThrottleOptions,
  throttle,
} from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import type { GuardedContext } from '../middleware/rig.js'
import { accept } from './checkouts.js'
import { HANDLER_LIMITS, type ModelVerdict, type Route } from './exact-model.js'
import { type ExactOptions, type LimitOptions, OUTER_LIMIT } from './exact-options.js'
import { costOf } from './exact-plan.js'
import type { HandlerDoes } from './exact-steps.js'
import { HandlerFailed } from './handler-failed.js'
import type { Town } from './town.js'

/** What became of one update. */
export interface Outcome {
  /** The handler that grammY chose, if it is one with guards of its own. */
  route: Route | undefined
  readonly denials: ModelVerdict[]
  readonly shadows: string[]
  /** How the bot answered a tap or a checkout. */
  readonly answers: ('accepted' | 'declined' | 'stops the spinner')[]
  /** What the handler saw, if it ran. */
  readonly handled: { readonly left: ReadonlyMap<string, number>; readonly isRepeated: boolean }[]
  error: unknown
}

/** A bot behind a sentinel, which is compared with the model. */
export class ExactWorker {
  readonly guard: Sentinel<GuardedContext>
  readonly errors: string[] = []
  private readonly outer: Sentinel<GuardedContext> | undefined
  private readonly bot: Bot<GuardedContext>
  private does: HandlerDoes = 'nothing'
  private outcome: Outcome = emptyOutcome()

  constructor(town: Town, storage: Storage, options: ExactOptions) {
    this.bot = new Bot<GuardedContext>(town.account.token, town.account.config)
    this.bot.api.config.use((call, method, payload, signal) => {
      const { answers } = this.outcome
      if (method === 'answerCallbackQuery') answers.push('stops the spinner')
      if (method === 'answerPreCheckoutQuery' || method === 'answerShippingQuery')
        answers.push((payload as { ok: boolean }).ok ? 'accepted' : 'declined')
      return call(method, payload, signal)
    })
    this.guard = sentinel<GuardedContext>({
      name: 'story',
      clock: town.now,
      timers: town.timers,
      storage,
      throttle: options.throttle.map(throttleOptions),
      debounce: options.debounce,
      once: options.once,
      auth: options.auth && {},
      exempt: {
        ...(options.hasOwner && { owner: town.people[2]?.id }),
        roles: options.exemptsMods ? ['mod'] : [],
      },
      ...(options.setsLimits && { limits: true }),
    } as SentinelOptions<GuardedContext>)
    this.outer = options.hasOuter ? sentinel<GuardedContext>(outerOptions(town, storage)) : undefined
    this.listen(this.guard)
    if (this.outer !== undefined) {
      this.listen(this.outer)
      this.bot.use(this.outer)
    }
    if (options.installed) this.guard.install(this.bot)
    else this.bot.use(this.guard)
    this.addHandlers()
  }

  reconfigure({ throttle: limits, auth, exemptsMods }: ExactOptions): void {
    this.guard.reconfigure({
      throttle: limits.map(throttleOptions),
      auth: auth && {},
      exempt: { roles: exemptsMods ? ['mod'] : [] },
    } as SentinelOptions<GuardedContext>)
  }

  /** Handles an update to the end. */
  async handles(update: Update, does: HandlerDoes): Promise<Outcome> {
    this.does = does
    this.outcome = emptyOutcome()
    await this.bot.handleUpdate(update).catch(({ error }: { error: unknown }) => {
      this.outcome.error = error
    })
    return this.outcome
  }

  async close(): Promise<void> {
    await this.guard.close()
    await this.outer?.close()
  }

  private listen(guard: Sentinel<GuardedContext>): void {
    const { errors } = this
    guard.on('denied', ({ verdict }) => this.outcome.denials.push(verdict))
    guard.on('shadow', ({ verdict: { limit } }) => this.outcome.shadows.push(limit))
    guard.on('error', ({ during, error }) => {
      const { message } = error as Error
      // Telegram accepts the answer to a tap only for some seconds.
      const isLate = /query is too old/.test(message)
      // Time jumps while a real server answers. No story has limits of roles that were set at run time, so none is missed.
      const isJump = during === 'limits.roles' && message.includes('TIMEOUT')
      if (!(error instanceof HandlerFailed) && !isLate && !isJump) errors.push(`${during}: ${message}`)
    })
    // Without listeners these are written to the console.
    for (const event of ['warning', 'overdue', 'storage.down', 'storage.up'] as const)
      guard.on(event, () => undefined)
  }

  private addHandlers(): void {
    const { bot } = this
    const notes = (route: Route) => (_: GuardedContext, next: () => Promise<void>) => {
      this.outcome.route ??= route
      return next()
    }
    bot.command('buy', notes('buy'))
    bot.command('sell', notes('sell'))
    bot.on('message:photo', notes('photos'))
    const guards = (route: Route) => HANDLER_LIMITS[route].map((limit) => throttle(throttleOptions(limit)))
    bot.command('buy', ...guards('buy'), (ctx) => this.handle(ctx))
    bot.command('sell', ...guards('sell'), (ctx) => this.handle(ctx))
    bot.on('message:photo', ...guards('photos'), (ctx) => this.handle(ctx))
    bot.use((ctx) => this.handle(ctx))
  }

  private async handle(ctx: GuardedContext): Promise<void> {
    const { sentinel: control } = ctx
    const left = new Map(control?.limits.map(({ name, remaining }) => [name, remaining]))
    this.outcome.handled.push({ left, isRepeated: control?.isRepeated === true })
    const { does } = this
    if (does === 'throw') throw new HandlerFailed('meant to fail')
    if (does === 'refund') await control.refund()
    if (does === 'nothing' || does === 'refund') await accept(ctx)
    if (does === 'deny') await control.deny({ notice: false })
    if (does === 'deny and refund') await control.deny({ notice: false, refund: true })
  }
}

function emptyOutcome(): Outcome {
  return { route: undefined, denials: [], shadows: [], answers: [], handled: [], error: undefined }
}

function outerOptions({ now, timers }: Town, storage: Storage): SentinelOptions<GuardedContext> {
  const throttle = throttleOptions(OUTER_LIMIT)
  return { name: 'outer', clock: now, timers, storage, throttle, debounce: false }
}

function throttleOptions({ forVips, ...options }: LimitOptions): ThrottleOptions<GuardedContext> {
  const { cost } = options
  return {
    ...options,
    ...(cost === 'varies' && { cost: (facts: Facts) => costOf(options, facts) }),
    ...(forVips !== undefined && { roles: { vip: forVips } }),
  } as ThrottleOptions<GuardedContext>
}
