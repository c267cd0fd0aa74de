import type { Bot, Context, MiddlewareFn, MiddlewareObj, NextFunction } from 'grammy'
import type { Update } from 'grammy/types'
import { Administered } from './administered.js'
import type { MaybePromise } from './core/check.js'
import type { Duration } from './core/duration.js'
import { SentinelError } from './core/errors.js'
import type { Subject } from './core/subject.js'
import type { Listener } from './hooks/events.js'
import type { Hook } from './hooks/hook.js'
import { auth } from './middleware/auth.js'
import { Administration } from './middleware/block/administration.js'
import { block } from './middleware/block.js'
import { checkBot, checkListening } from './middleware/chain/check-arguments.js'
import { finishInTime, heldIn, type Unfinished } from './middleware/chain/closing.js'
import { hasPassed } from './middleware/chain/control.js'
import { backgroundHealth, insights, isDraining, storageHealth } from './middleware/chain/health.js'
import { joined, type Probe } from './middleware/chain/probe.js'
import { warnOfSameName } from './middleware/chain/same-name.js'
import { concurrency } from './middleware/concurrency.js'
import { debounce } from './middleware/debounce.js'
import type { SentinelEvents } from './middleware/events.js'
import { Exemptions } from './middleware/exempt/exemptions.js'
import { fuse } from './middleware/fuse.js'
import { type Guard, type GuardServices, inShadow } from './middleware/guard.js'
import type { HookAt, HookPoints } from './middleware/hooking/hook-points.js'
import type { LimitState, Simulation } from './middleware/inspection/inspection.js'
import { peek, reset, simulate } from './middleware/inspection/later-inspection.js'
import { Delivery } from './middleware/membership/delivery.js'
import { type MembershipGuard, membershipBy } from './middleware/membership.js'
import { once } from './middleware/once.js'
import { Chain, newTally } from './middleware/pipeline.js'
import { beginWiring, unclaimed } from './middleware/position/place.js'
import { LaterRoles } from './middleware/roles/later-roles.js'
import { chainName, createServices, renewServices, type Services } from './middleware/services.js'
import { throttle } from './middleware/throttle.js'
import { MIGRATION } from './migration/guard.js'
import type { SentinelHealth } from './observability/health/data.js'
import { lastUpdateOf } from './observability/health/last-update.js'
import type { StatsQuery, StatsRecorder, StatsReport } from './observability/stats/contract.js'
import { layerInForce, type ResolvedOptions, readOptions, type SentinelOptions } from './options/index.js'
import type { OutgoingOptions } from './outgoing/options.js'
import { OutgoingCalls } from './outgoing/outgoing-calls.js'
import type { Outgoing } from './outgoing/transformer.js'
import type { Explanation } from './policies/explain.js'
import { Overrides } from './policies/overrides.js'
import type { Policy, PolicyOverride } from './policies/policy-options.js'
import { ChatSettings } from './settings/chat-settings.js'
import { menuOf } from './settings/menu-guard.js'
import { readSettings } from './settings/settings-options.js'
import type { Storage } from './storage/contract/storage.js'
import { ActivityRecorder } from './users/activity.js'
import { BotUsers, type UserDirectory } from './users/directory.js'
import { Webhook, type WebhookOptions } from './webhook/index.js'

/**
 * Stands in front of a bot and decides, for every update, whether it may pass. A grammY plugin: `bot.use(guard)`, or
 * `guard.install(bot)`, which also asks Telegram for the update kinds it needs.
 *
 * @example
 * ```ts
 * import { Bot, type Context } from 'grammy'
 * import { sentinel, type SentinelFlavor } from 'grammy-sentinel'
 *
 * const bot = new Bot<Context & SentinelFlavor>('123:token')
 * const guard = sentinel({ throttle: '20/1m' })
 * bot.use(guard)
 * await guard.block(1234567, { for: '1h', reason: 'spam' })
 * ```
 */
export class Sentinel<C extends Context = Context> extends Administered implements MiddlewareObj<C> {
  /** Listens to joins, leaves, bans and the like: `guard.membership.on('joined', …)`. */
  readonly membership: MembershipGuard<C>
  /** The directory of the bots' users: when each was seen and what they did, preferences, export and erasure. */
  readonly users: UserDirectory
  private resolved: ResolvedOptions
  private services: GuardServices
  private exemptions: Exemptions
  private chain: Chain
  private readonly name: string
  protected readonly administration: Administration
  protected readonly roles: LaterRoles
  protected readonly overrides: Overrides
  protected readonly chatSettings: ChatSettings
  private readonly delivery: Delivery
  private readonly recorder: ActivityRecorder
  private readonly counting: StatsRecorder | undefined
  private lastUpdate: ReturnType<typeof lastUpdateOf> | undefined
  private readonly calls = new OutgoingCalls(() => this.services)
  private readonly tally = newTally()
  private readonly ownsStorage: boolean
  private readonly draining = new Map<Promise<void>, Chain>()
  private readonly webhooks = new Set<Webhook>()
  private probes: readonly Probe[] = []
  /** All probes joined into one; undefined without probes. */
  private watched: Probe | undefined

  /** The same function for every call: grammY calls `middleware()` for each update. */
  private readonly run: MiddlewareFn<C> = (ctx, next) => {
    const { firstUses } = this.services
    // A sentinel used twice on one bot would take every update for a duplicate of itself.
    if (hasPassed(ctx, this.tally) || firstUses.has(ctx))
      return firstUses.again(ctx, this.watched?.branch?.(ctx, next) ?? next, this.tally)
    warnOfSameName(ctx, this.name, this.services)
    this.delivery.seen(ctx)
    const reading = this.overrides.ready(ctx)
    const entered = reading === undefined ? this.enter(ctx, next) : this.enterKnown(reading, ctx, next)
    return firstUses.noted(ctx, entered, this.tally)
  }

  /** Waits until stored limits and settings have been read, which may change the plan, and then until the chain is ready. */
  private async enterKnown(reading: Promise<void>, ctx: Context, next: NextFunction): Promise<void> {
    await reading
    await this.chain.ready()
    await this.enter(ctx, next)
  }

  private enter(ctx: Context, next: NextFunction): MaybePromise<void> {
    const { watched } = this
    return watched?.update === undefined ? this.chain.run(ctx, next) : watched.update(ctx, next, this.go)
  }

  constructor(options: SentinelOptions<C>) {
    super()
    // The context type only matters to the caller; inside, every context is handled alike.
    this.resolved = readOptions(options as SentinelOptions)
    const first = createServices(this.resolved)
    this.overrides = new Overrides(() => this.services, first)
    this.chatSettings = new ChatSettings(() => this.services, this.overrides.book)
    this.overrides.onChange = (change) => this.chatSettings.changed(change)
    this.services = this.equip(first, this.resolved)
    this.ownsStorage = this.resolved.storage === undefined
    this.name = this.resolved.name ?? chainName(this.services.storage)
    this.membership = membershipBy(() => this.resolved.membership)
    this.exemptions = new Exemptions(this.resolved.exempt ?? {}, this.services.administrators)
    this.chain = this.chainOf(this.resolved, this.services, this.exemptions)
    this.services.hooks.placing(this.resolved.hooks)()
    this.administration = new Administration(this.services)
    this.roles = new LaterRoles(
      () => this.services,
      () => this.exemptions,
      this.administration,
    )
    this.recorder = new ActivityRecorder(this.services, this.resolved.users)
    this.counting = this.resolved.stats?.({
      name: this.name,
      storage: this.services.storage,
      clock: this.services.clock,
      timers: this.services.timers,
      failed: this.services.failed,
    })
    if (this.counting !== undefined) this.probe(this.counting.probe)
    this.users = new BotUsers(
      () => this.services,
      this.administration,
      this.recorder,
      (keys) => this.counting?.erase?.(keys),
      (whom) => this.peek(whom),
    )
    this.delivery = new Delivery(
      () => this.chain.needs,
      () => this.membership.listened,
      this.services,
    )
    insights.set(this, { name: options.name, isDraining: () => isDraining(this.services, this.webhooks) })
    beginWiring()
  }

  /** The middleware for `bot.use(guard)`. */
  middleware(): MiddlewareFn<C> {
    return this.run
  }

  /**
   * Puts the sentinel in front of a bot and requests the update kinds its guards need: they are added to `allowed_updates`, or to
   * Telegram's defaults if it is unset. Warns if a webhook that was registered elsewhere lacks some. Guards that are registered next
   * to each other after this call are decided together: see {@link fuse}.
   * @throws SentinelError `bot.started` if the bot is already running; `option.invalid` if `bot` is not a bot.
   */
  install<Own extends C>(bot: Bot<Own>): this {
    checkBot(bot, 'guard.install')
    this.delivery.install(bot as unknown as Bot)
    fuse(bot).use(this)
    this.calls.follow(bot.api, this.resolved.outgoing)
    this.services.bots.install(bot)
    return this
  }

  /**
   * Handles Telegram's 429 answers for a bot as {@link outgoing} does, with this sentinel's storage and listeners. Meant for bots
   * without `install(bot)`, which does the same according to the option `outgoing`. A second call for the same bot returns the
   * object of the first.
   *
   * @throws SentinelError `option.unknown`, `option.invalid`, `duration.invalid`.
   */
  outgoing(bot: Pick<Bot<never>, 'api'>, options: OutgoingOptions = {}): Outgoing {
    checkBot(bot, 'guard.outgoing')
    return this.calls.install(bot.api, options)
  }

  /**
   * Receives a bot's updates over HTTP, in place of grammY's `webhookCallback`: `createServer(guard.webhook(bot).http)`. The
   * guard still has to be part of the bot's middleware: call `install(bot)` or `bot.use(guard)` first.
   *
   * @throws SentinelError `bot.started` if the bot is already running; `option.unknown`, `option.invalid`, `duration.invalid`.
   */
  webhook<Own extends C>(bot: Bot<Own>, options: WebhookOptions = {}): Webhook {
    checkBot(bot, 'guard.webhook')
    const host = {
      services: () => this.services,
      chain: () => this.chain,
      unfinished: () => this.unfinished,
      webhooks: this.webhooks,
      close: (within: Duration) => this.close(within),
    }
    return new Webhook(bot as unknown as Bot, host, options)
  }

  /** The storage that holds this sentinel's state. */
  get storage(): Storage {
    return this.services.storage
  }

  /**
   * Clears what a subject has used, penalties included: of one limit by name, or of all limits.
   * @throws SentinelError `limit.unknown`, listing the known limits; `bot.unknown` if no bot has been met and the storage was given,
   * so that other workers may use it.
   */
  reset(whom: Subject, limit?: string): Promise<void> {
    return reset(this.chain, whom, limit, this.ownsStorage)
  }

  /**
   * Returns the state of every limit that counts a subject, or of one by name, for the first bot the sentinel met; limits of
   * handlers, also by a policy, only once an update has reached the handler in this process. Writes nothing.
   * @throws SentinelError `limit.unknown`, listing the known limits.
   */
  peek(whom: Subject, limit?: string): Promise<LimitState[]> {
    return peek(this.chain, this.services.bots.all()[0], whom, limit)
  }

  /**
   * Tells what would happen to an update now, and why. Writes nothing. The resolver of `auth` is not called; its earlier
   * answers count. Until a bot has been met there is no state to look at.
   *
   * @throws SentinelError `storage.failed` when the storage has not taken the plan.
   */
  simulate(update: Update): Promise<Simulation> {
    return simulate(this.chain, this.exemptions, this.services, update)
  }

  /**
   * Changes options at run time; options that are not given keep their value. The new plan applies to every later update, and each
   * limit keeps its state. Invalid options change nothing. If the guards of a handler in use do not fit the new options, that is
   * reported (`error` event, `wiring`), and the handler refuses everybody. Storage, name, clock, timers and stats cannot be changed.
   * @throws SentinelError as `sentinel()` does.
   */
  reconfigure(options: SentinelOptions<C>): void {
    const settings = readOptions(layerInForce(this.resolved, options as SentinelOptions))
    const services = this.equip(renewServices(this.services, settings), settings)
    const exemptions = new Exemptions(settings.exempt ?? {}, services.administrators)
    let chain: Chain
    let place: (() => void) | undefined
    try {
      const { hooks } = options as SentinelOptions
      if (hooks !== undefined) place = services.hooks.placing(hooks)
      chain = unclaimed(() => this.chainOf(settings, services, exemptions))
    } catch (error) {
      this.equip(this.services, this.resolved)
      throw error
    }
    place?.()
    const earlier = this.chain
    this.resolved = settings
    this.services = services
    this.exemptions = exemptions
    this.chain = chain
    chain.probe(this.watched)
    this.recorder.turn(settings.users)
    this.calls.configure(settings.outgoing)
    chain.follow(earlier) // Last: this reports to listeners, which may call reconfigure() again.
    // Updates that the earlier chain holds back are still handled; close() waits for them.
    const draining = earlier.drain().finally(() => this.draining.delete(draining))
    this.draining.set(draining, earlier)
  }

  /**
   * Turns a policy into a guard, like {@link policy}, but takes names from this sentinel's policies: an unknown one throws at once.
   * @throws SentinelError `policy.unknown`, suggesting the closest name, and whatever {@link policy} throws.
   */
  policy(which: string | Policy<C>, own?: PolicyOverride<C>): Guard<C> {
    return this.overrides.policy(which as string | Policy, own as PolicyOverride | undefined) as Guard<C>
  }

  /**
   * Explains which limits apply to a user, a chat, or a user in a chat (`subject.member`), and where each part of them comes from:
   * under a policy, under a policy with a handler's overrides (pass the guard), or, without a second argument, under the sentinel's
   * own options. Returns data and a readable text. Writes nothing; looks at the first bot this sentinel met.
   *
   * @throws SentinelError `policy.unknown`, `subject.invalid`, `option.invalid`.
   */
  explain(whom: Subject, policy?: string | Policy<C> | Guard<C>): Promise<Explanation> {
    return this.overrides.explain(whom, policy as string | Policy | Guard | undefined, this.chain.plan)
  }

  /**
   * Adds a listener, which is called synchronously; the returned function removes it. Its exceptions are reported through `error`.
   *
   * @throws SentinelError `option.unknown`, suggesting the closest event, `option.invalid` if the listener is not a function.
   */
  on<E extends keyof SentinelEvents>(event: E, listener: Listener<SentinelEvents<C>[E]>): () => void {
    checkListening(event, listener)
    return this.services.events.on(event, listener as unknown as Listener<SentinelEvents[E]>)
  }

  /**
   * Adds a hook at a point on an update's way; the returned function removes it. Hooks of a point run in the order they were added.
   * Before and after guards, and at `allowed`, updates wait for hooks, by default at most a second for each, and a hook may veto or
   * enrich the update; at all other points hooks are only notified. See {@link HookPoints}.
   *
   * @throws SentinelError `hook.unknown` for an unknown point, `option.invalid`, `option.unknown`, `duration.invalid`.
   */
  hook<P extends keyof HookPoints<C>>(point: P, hook: HookAt<P, C>): () => void {
    return this.services.hooks.add(point, hook as Hook<never>)
  }

  /**
   * Attaches a probe, which watches every step from now on; the returned function detaches it. `metrics()` and `tracing()` return
   * such probes.
   */
  probe(probe: Probe): () => void {
    const { events } = this.services
    const watch = <E extends keyof SentinelEvents>(event: E): (() => void) =>
      events.watch(event, (told) => probe.events?.[event]?.(told), probe)
    const stops = Object.keys(probe.events ?? {}).map((event) => watch(event as keyof SentinelEvents))
    this.watch([...this.probes, probe])
    return () => {
      for (const stop of stops) stop()
      this.watch(this.probes.filter((other) => other !== probe))
    }
  }

  private readonly go = (ctx: Context, next: NextFunction): MaybePromise<void> => this.chain.run(ctx, next)

  private watch(probes: readonly Probe[]): void {
    this.probes = probes
    this.watched = joined(probes)
    this.chain.probe(this.watched)
    this.services.background.probe = this.watched
    this.services.hooksAside.probe = this.watched
  }

  /**
   * Summarises recent updates: how many came, from how many users, who sent most, who was denied and why. Needs the option `stats`.
   * The report names people, so show it to the owner only.
   *
   * @throws SentinelError `option.invalid` without the option `stats`, or for a wrong option; `option.unknown`. Where workers add up
   * their counts in the storage, rejects with the storage's error.
   */
  async stats(query?: StatsQuery): Promise<StatsReport> {
    if (this.counting !== undefined) return this.counting.report(query)
    throw new SentinelError(
      'option.invalid',
      "guard.stats(): statistics are off. Turn them on: sentinel({ stats: stats() }), with stats from 'grammy-sentinel/stats'.",
    )
  }

  /** Reports the state of the sentinel and its storage. Never rejects or hangs: a storage that does not tell its state is `ok: false`. */
  async health(): Promise<SentinelHealth> {
    const { bots, clock } = this.services
    this.lastUpdate ??= lastUpdateOf(this, clock)
    const health = await storageHealth(this.services)
    return {
      ok: health.ok,
      storage: health,
      tally: this.tally,
      bots: bots.all().map(({ id }) => id),
      ...this.lastUpdate(),
      ...backgroundHealth(this.services, this.webhooks),
      held: heldIn(this.unfinished),
      ...(this.calls.health !== undefined && { outgoing: this.calls.health }),
      ...(this.recorder.health !== undefined && { activity: this.recorder.health }),
    }
  }

  /**
   * Stops accepting webhook updates, handles updates that are held back, waits for their handlers and those of webhooks, and closes
   * the storage if this sentinel created it. Work unfinished after `within` (default `'30s'`) is reported by the warning
   * `close.unfinished` and left; what waits for its turn is dropped. Activity of users is written in the rest of this time, in at
   * least 2.5 seconds; what is not written then is reported by an `error` event. Stop a bot that polls first, and await the promise
   * of its `bot.start()`: its handlers are not waited for, and `bot.stop()` does not wait for updates that are held.
   */
  async close(within?: Duration): Promise<void> {
    await this.recorder.close(await finishInTime(within, this.unfinished, this.webhooks, this.calls))
    await this.counting?.close()
    this.overrides.stop()
    if (!this.ownsStorage) await this.administration.reportUnwritten()
    await this.services.letGo()
    if (this.ownsStorage) await this.services.storage.close()
  }

  private get unfinished(): Unfinished {
    return { services: this.services, chain: this.chain, draining: this.draining }
  }

  private equip(services: Services, options: ResolvedOptions): GuardServices {
    const tuning = options.settings === false ? undefined : readSettings(options.settings)
    const equipped = this.overrides.equip(services, options, tuning?.limits)
    this.chatSettings.turn(tuning, services)
    for (const aside of [services.background, services.hooksAside]) aside.waitUntil = options.waitUntil
    return equipped
  }

  private chainOf(settings: ResolvedOptions, services: GuardServices, exemptions: Exemptions): Chain {
    const guards: Guard[] = []
    if (settings.membership !== false) guards.push(this.membership as unknown as Guard)
    if (settings.block !== false) guards.push(block(settings.block))
    if (settings.once !== false) guards.push(once(settings.once))
    if (settings.auth !== false) guards.push(auth(settings.auth))
    if (settings.debounce !== false) guards.push(debounce(settings.debounce))
    for (const limit of settings.throttle === false ? [] : [settings.throttle].flat())
      guards.push(throttle(limit))
    for (const limit of settings.concurrency === false ? [] : [settings.concurrency].flat())
      guards.push(concurrency(limit))
    const all = [MIGRATION, ...menuOf(this.chatSettings), ...guards.flatMap(({ definitions }) => definitions)]
    return new Chain(services, settings.shadow ? all.map(inShadow) : all, this.name, exemptions, this.tally)
  }
}

/**
 * Creates a sentinel, which protects a bot without further setup. The defaults: a block list; each update handled once, even if
 * redelivered; 60 messages a minute per user, at most 30 of them at once; double taps within half a second dropped; membership
 * observed; all state in memory.
 *
 * @param options See {@link SentinelOptions}. Checked once, here.
 * @throws SentinelError `option.unknown`, `option.invalid`, `limit.invalid`, `limit.duplicate`, `duration.invalid`,
 * `scope.unknown`, `subject.invalid`, `plan.invalid`, `role.unknown`, `role.cycle`, `policy.unknown`, `policy.cycle`, `hook.unknown`,
 * `storage.unsupported`; each names the option and its value, and says how to mend it.
 *
 * @example
 * ```ts
 * import { Bot } from 'grammy'
 * import { sentinel } from 'grammy-sentinel'
 *
 * const bot = new Bot('123:token')
 * bot.use(sentinel())
 * ```
 */
export function sentinel<C extends Context = Context>(options: SentinelOptions<C> = {}): Sentinel<C> {
  return new Sentinel<C>(options)
}
