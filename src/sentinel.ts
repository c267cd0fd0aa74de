import type { Bot, Context, MiddlewareFn, MiddlewareObj, NextFunction } from 'grammy'
import type { Update } from 'grammy/types'
import type { MaybePromise } from './core/check.js'
import { type Subject, subjectKey } from './core/subject.js'
import type { Listener } from './hooks/events.js'
import {
  Administration,
  type Blocked,
  type BlockingOptions,
  type BlockListExport,
} from './middleware/administration.js'
import { auth } from './middleware/auth.js'
import { block } from './middleware/block.js'
import { hasPassed } from './middleware/control.js'
import { debounce } from './middleware/debounce.js'
import { Delivery } from './middleware/delivery.js'
import { Exemptions } from './middleware/exemptions.js'
import { type Guard, inShadow } from './middleware/guard.js'
import { chainName, furnish, type House, refurnish, type SentinelEvents } from './middleware/house.js'
import { type LimitState, peek, type Simulation, simulate, slotsOf } from './middleware/inspection.js'
import { type MembershipGuard, membership } from './middleware/membership.js'
import { once } from './middleware/once.js'
import { Chain, newTally } from './middleware/pipeline.js'
import { joined, type Probe } from './middleware/probe.js'
import { type GrantOptions, RoleAdministration, type RoleScope } from './middleware/role-administration.js'
import { throttle } from './middleware/throttle.js'
import type { SentinelHealth } from './observability/health/data.js'
import { layer, type ResolvedOptions, readOptions, type SentinelOptions } from './options.js'
import type { Storage, StorageHealth } from './storage/storage.js'
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
export class Sentinel<C extends Context = Context> implements MiddlewareObj<C> {
  /** Listens to joins, leaves, bans and the like: `guard.membership.on('joined', …)`. */
  readonly membership: MembershipGuard
  /** Those who use the bots: when they were seen, what they did, data of yours. */
  readonly users: UserDirectory
  private settings: ResolvedOptions
  private house: House
  private exemptions: Exemptions
  private chain: Chain<Context>
  private readonly name: string
  private readonly administration: Administration
  private readonly roles: RoleAdministration
  private readonly delivery: Delivery
  private readonly recorder: ActivityRecorder
  private readonly tally = newTally()
  private readonly ownsStorage: boolean
  private readonly draining = new Set<Promise<void>>()
  private readonly webhooks = new Set<Webhook>()
  private probes: readonly Probe[] = []
  /** All of them as one. */
  private watched: Probe | undefined

  /** One for all: grammY asks for the middleware with every update. */
  private readonly run: MiddlewareFn<C> = (ctx, next) => {
    // Used twice on one bot, it would take every update for a duplicate of itself.
    if (hasPassed(ctx, this.tally)) return next()
    this.delivery.seen(ctx)
    const { watched } = this
    return watched?.update === undefined ? this.chain.run(ctx, next) : watched.update(ctx, next, this.go)
  }

  constructor(options: SentinelOptions<C>) {
    // Of which kind contexts are is the caller's business; inside, all are alike.
    this.settings = readOptions(options as SentinelOptions)
    this.house = furnish(this.settings)
    this.ownsStorage = this.settings.storage === undefined
    this.name = this.settings.name ?? chainName(this.house.storage)
    this.membership = membership()
    this.exemptions = new Exemptions(this.settings.exempt ?? {}, this.house.administrators)
    this.chain = this.chainOf(this.settings, this.house, this.exemptions)
    this.administration = new Administration(this.house)
    this.roles = new RoleAdministration(
      () => this.house,
      () => this.exemptions,
      this.administration,
    )
    this.recorder = new ActivityRecorder(this.house)
    this.recorder.turn(this.settings.users)
    this.users = new BotUsers(() => this.house, this.administration, this.recorder)
    this.delivery = new Delivery(
      () => this.chain.needs,
      () => this.membership.listened,
      this.house,
    )
  }

  /** For `bot.use(guard)`. */
  middleware(): MiddlewareFn<C> {
    return this.run
  }

  /**
   * Puts itself in front of a bot and asks Telegram for what its guards need: an unset `allowed_updates` becomes
   * Telegram's defaults and ours, a list becomes the union. A webhook that was set elsewhere is compared, and
   * warned about.
   *
   * @throws SentinelError `bot.started` when the bot is running.
   */
  install<Own extends C>(bot: Bot<Own>): this {
    this.delivery.install(bot as unknown as Bot)
    bot.use(this)
    if (bot.isInited()) this.house.bots.meet(bot.botInfo, bot.api)
    return this
  }

  /**
   * Takes the updates of a bot in by HTTP, in place of grammY's `webhookCallback`: `createServer(guard.webhook(bot).http)`. The
   * guard itself stays where it is in the bot's middleware: call `install(bot)` or `bot.use(guard)` first.
   *
   * @throws SentinelError `bot.started` when the bot is running; `option.unknown`, `option.invalid`, `duration.invalid`.
   */
  webhook<Own extends C>(bot: Bot<Own>, options: WebhookOptions = {}): Webhook {
    const host = {
      house: () => this.house,
      chain: () => this.chain,
      flush: () => this.flush(),
      close: () => this.close(),
    }
    const webhook = new Webhook(bot as unknown as Bot, host, options)
    this.webhooks.add(webhook)
    return webhook
  }

  /** The storage it keeps its state in. */
  get storage(): Storage {
    return this.house.storage
  }

  /**
   * Blocks a subject, or many at once, for all bots it has met; before it has met any, for those that come.
   *
   * @throws SentinelError `subject.invalid` for what is no subject, and for the users that Telegram puts in place of
   * channels and anonymous administrators; `duration.invalid`; `option.invalid`; `option.unknown`.
   */
  block(whom: Subject | readonly Subject[], options?: BlockingOptions): Promise<void> {
    return this.administration.block(whom, options)
  }

  /** Unblocks; how many were blocked. */
  unblock(whom: Subject | readonly Subject[]): Promise<number> {
    return this.administration.unblock(whom)
  }

  /** Whether a subject is blocked now. */
  async isBlocked(whom: Subject): Promise<boolean> {
    return (await this.administration.blockOf(whom)) !== undefined
  }

  /** Since when, until when and why a subject is blocked; undefined if it is not. */
  blockOf(whom: Subject): Promise<Blocked | undefined> {
    return this.administration.blockOf(whom)
  }

  /** Everybody who is blocked, each once, in no promised order: `for await (const { subject, reason } of guard.blocked())`. */
  blocked(): AsyncGenerator<Blocked, void, undefined> {
    return this.administration.blocked()
  }

  /** Puts on the allow list, which matters with `block: { only: true }`. */
  allow(whom: Subject | readonly Subject[]): Promise<void> {
    return this.administration.allow(whom)
  }

  /** Takes from the allow list; how many were on it. */
  disallow(whom: Subject | readonly Subject[]): Promise<number> {
    return this.administration.disallow(whom)
  }

  /** The block list as plain JSON. */
  export(): Promise<BlockListExport> {
    return this.administration.export()
  }

  /**
   * Adds an exported list to this one; how many were added. What has lapsed is left out.
   *
   * @throws SentinelError `import.invalid`, naming the entry; then nothing was imported.
   */
  import(list: BlockListExport): Promise<number> {
    return this.administration.import(list)
  }

  /** Registers for good, for `auth`. */
  register(whom: Subject | readonly Subject[]): Promise<void> {
    return this.administration.register(whom)
  }

  /** Takes the registration back; how many were registered. */
  unregister(whom: Subject | readonly Subject[]): Promise<number> {
    return this.administration.unregister(whom)
  }

  /** Whether a subject is registered. */
  isRegistered(whom: Subject): Promise<boolean> {
    return this.administration.isRegistered(whom)
  }

  /**
   * Gives a role: what `roles` of `auth`, `throttle` and `exempt` ask for, and what carries permissions. Everywhere, or in one chat;
   * for good, or for a time. A name of 1 to 64 characters, whose case matters.
   *
   * @throws SentinelError `option.invalid` for what is no name, and for a role that Telegram gives; `role.unknown` where the
   * option `roles` names others; `subject.invalid`, `duration.invalid`, `option.unknown`.
   */
  grant(whom: Subject | readonly Subject[], role: string, options?: GrantOptions): Promise<void> {
    return this.roles.grant(whom, role, options)
  }

  /** Takes a role back, where it was given; how many held it. Throws as `grant()` does, but for roles that there are no longer. */
  revoke(whom: Subject | readonly Subject[], role: string, scope?: RoleScope): Promise<number> {
    return this.roles.revoke(whom, role, scope)
  }

  /**
   * Whether a subject holds a role, or one that counts as it: everywhere, or also in a chat; then Telegram's own roles of that
   * chat count, too. Throws as `grant()` does.
   */
  hasRole(whom: Subject, role: string, scope?: RoleScope): Promise<boolean> {
    return this.roles.hasRole(whom, role, scope)
  }

  /** The roles that a subject holds, everywhere or also in a chat, without those that they count as. Throws `subject.invalid`. */
  rolesOf(whom: Subject, scope?: RoleScope): Promise<readonly string[]> {
    return this.roles.rolesOf(whom, scope)
  }

  /**
   * Whether a subject may do something, by its roles everywhere or also in a chat: some role allows it, and none denies it. The
   * owner and the listed users of `exempt` may do everything. False for what no role allows (told as a warning).
   *
   * @throws SentinelError `subject.invalid`, `option.invalid`, `option.unknown`.
   */
  can(whom: Subject, permission: string, scope?: RoleScope): Promise<boolean> {
    return this.roles.can(whom, permission, scope)
  }

  /**
   * Forgets what a subject has used: of one limit, or of all, penalties included.
   *
   * @throws SentinelError `limit.unknown`, naming the limits there are.
   */
  async reset(whom: Subject, limit?: string): Promise<void> {
    const key = subjectKey(whom)
    for (const slot of slotsOf(this.chain, limit)) {
      await this.house.forEachBot('reset', (bot) => this.house.storage.reset(bot.id, key, slot))
    }
  }

  /**
   * Every limit that counts a subject (or one, by name), as it stands with the first bot it met. Writes nothing.
   *
   * @throws SentinelError `limit.unknown`, naming the limits there are.
   */
  peek(whom: Subject, limit?: string): Promise<LimitState[]> {
    return peek(this.chain, this.house.bots.all()[0]?.id ?? 0, whom, limit)
  }

  /**
   * What would happen to an update now, and why. Writes nothing. A resolver of `auth` is not asked; what it said
   * before counts. Before a bot is met there is no state to look at.
   *
   * @throws SentinelError `storage.failed` when the storage has not taken the plan.
   */
  simulate(update: Update): Promise<Simulation> {
    return simulate(this.chain, this.exemptions, this.house.bots.all()[0], update, (error, during) =>
      this.house.events.tell('error', { error, during }),
    )
  }

  /**
   * Changes options at run time, over those in force. The new plan takes effect at once for every update that comes
   * after; state goes on limit by limit. Wrong options change nothing. Storage, clock and timers stay as they are.
   *
   * @throws SentinelError as `sentinel()` does.
   */
  reconfigure(options: SentinelOptions<C>): void {
    const settings = readOptions(layer(this.settings, options as SentinelOptions))
    const house = refurnish(this.house, settings)
    const exemptions = new Exemptions(settings.exempt ?? {}, house.administrators)
    const chain = this.chainOf(settings, house, exemptions)
    const earlier = this.chain
    this.settings = settings
    this.house = house
    this.exemptions = exemptions
    this.chain = chain
    chain.probe(this.watched)
    chain.foretelling = earlier.foretelling
    this.recorder.turn(settings.users)
    // What the earlier chain holds back is handled, not lost; close() waits for it.
    const draining = earlier.drain().finally(() => this.draining.delete(draining))
    this.draining.add(draining)
  }

  /** Listens to what happens, synchronously; the returned function stops it. What a listener throws goes to `error`. */
  on<E extends keyof SentinelEvents>(event: E, listener: Listener<SentinelEvents[E]>): () => void {
    return this.house.events.on(event, listener)
  }

  /**
   * Lets a probe watch every step from now on; the returned function stops it. `metrics()` and `tracing()` are such
   * probes.
   */
  probe(probe: Probe): () => void {
    const { events } = this.house
    const watch = <E extends keyof SentinelEvents>(event: E): (() => void) =>
      events.watch(event, (told) => probe.events?.[event]?.(told))
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
    this.house.background.probe = this.watched
  }

  /** How it and its storage are. Does not reject: a storage that fails to tell is `ok: false`. */
  async health(): Promise<SentinelHealth> {
    const { storage, background, notices, bots } = this.house
    let health: StorageHealth
    try {
      health = await storage.health()
    } catch (error) {
      this.house.events.tell('error', { error, during: 'storage.health' })
      health = { ok: false, kind: 'unknown' }
    }
    return {
      ok: health.ok,
      storage: health,
      tally: this.tally,
      bots: bots.all().map(({ id }) => id),
      background: { running: background.size, dropped: background.dropped },
      unsaid: notices.unsaid,
      ...(this.recorder.health !== undefined && { activity: this.recorder.health }),
    }
  }

  /** Lets no update in by its webhooks any longer, handles what is held back, waits for what is under way, and closes the storage if it made it. */
  async close(): Promise<void> {
    await Promise.all([...this.webhooks].map((webhook) => webhook.drain()))
    await this.flush()
    await this.recorder.close()
    await this.house.letGo()
    if (this.ownsStorage) await this.house.storage.close()
  }

  /** Finishes what no update waits for. */
  private async flush(): Promise<void> {
    await this.chain.drain()
    await Promise.all(this.draining)
    await this.house.background.drain()
  }

  private chainOf(settings: ResolvedOptions, house: House, exemptions: Exemptions): Chain<Context> {
    const guards: Guard[] = []
    if (settings.membership !== false) guards.push(this.membership)
    if (settings.block !== false) guards.push(block(settings.block))
    if (settings.once !== false) guards.push(once(settings.once))
    if (settings.auth !== false) guards.push(auth(settings.auth))
    if (settings.debounce !== false) guards.push(debounce(settings.debounce))
    for (const limit of settings.throttle === false ? [] : [settings.throttle].flat())
      guards.push(throttle(limit))
    const all = guards.flatMap((guard) => guard.definitions)
    const definitions = settings.shadow ? all.map(inShadow) : all
    return new Chain(house, definitions, this.name, exemptions, this.tally)
  }
}

/**
 * Makes a sentinel: one call that protects at once. With no options: the block list, redelivered updates handled
 * once, 60 messages a minute and user with 30 at once, double taps within half a second, membership observed;
 * all in memory.
 *
 * @param options See {@link SentinelOptions}. Checked once, here.
 * @throws SentinelError `option.unknown`, `option.invalid`, `limit.invalid`, `limit.duplicate`, `duration.invalid`,
 * `scope.unknown`, `subject.invalid`; each names the option, the value and the mend.
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
