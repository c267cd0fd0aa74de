import type { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import { isPromise } from '../core/check.js'
import { quietTimers, steadyClock, systemClock, systemTimers, type Timers } from '../core/clock.js'
import { Deadlines } from '../core/deadlines.js'
import type { Ms } from '../core/duration.js'
import { endsWithRequests } from '../core/request-bound.js'
import type { Unfinished } from '../middleware/chain/closing.js'
import type { Chain } from '../middleware/pipeline.js'
import type { Services } from '../middleware/services.js'
import { Callers, isKnown } from './callers.js'
import { Delivery, type Recipient } from './delivery.js'
import { flush } from './flush.js'
import { AWAY, Gate, type Made, type UnderWay } from './gate.js'
import type { WebhookSettings } from './options.js'
import { isSecret } from './secret.js'

/** Where requests end their work, an update that timed out this long ago is lost: its handler may never end. */
const LOST_AFTER: Ms = 60_000

/** The part of a sentinel that a webhook needs. */
export interface WebhookHost {
  readonly services: () => Services
  readonly chain: () => Chain
  /** Work that no update waits for: bursts, notices, answers. */
  readonly unfinished: () => Unfinished
  /** The webhooks of all bots of the sentinel. */
  readonly webhooks: Set<{ drain(within: Ms): Promise<unknown> }>
  /** Closes the whole sentinel. */
  close(within: Ms): Promise<void>
}

/** The result of a drain. */
interface Drained {
  readonly left: number
}

/** Admits updates: the core that all server adapters of a webhook share. */
export class Door implements UnderWay {
  readonly maxBody: number
  draining = false
  /** The delivery whose call of getMe the others wait for. */
  private asker: Delivery | undefined
  /** Deliveries under way, by update id: a repeated delivery gets the outcome of the first. */
  readonly running = new Map<number, Delivery>()
  readonly asked = new Map<number, Promise<unknown>>()
  /**
   * What else is under way, and when it times out: requests for which the gate is asking a remote storage, and deliveries that hang
   * while their updates are handled again.
   */
  private readonly aside = new Map<object, Ms>()
  private readonly mayBeLost = endsWithRequests()
  private readonly now: () => Ms
  private readonly quiet: Timers
  private ready: boolean
  private readonly gate: Gate | undefined
  private readonly callers: Callers | undefined
  /** Whether the gate decides. It must not if some updates bypass the guard. */
  private gating = true
  private readonly shared: Deadlines
  private readonly own: Deadlines
  private idle: (() => void) | undefined
  private looked = false

  constructor(
    private readonly bot: Bot,
    private readonly host: WebhookHost,
    private readonly settings: WebhookSettings,
  ) {
    const { addresses, proxies } = settings
    this.callers = addresses && new Callers(addresses, proxies)
    const { clock, timers } = host.services()
    this.quiet = timers === systemTimers ? quietTimers : timers
    this.now = clock === systemClock ? steadyClock : clock
    this.maxBody = settings.maxBody
    this.ready = bot.isInited()
    this.shared = new Deadlines(settings.timeout, this.now, this.quiet, false)
    this.own = new Deadlines(settings.timeout, this.now, timers, true)
    this.gate = settings.gate ? this.gateOf(host) : undefined
  }

  /** Whether the bot may answer with a method call. */
  get replies(): boolean {
    return this.settings.reply
  }

  /** Whether the address of the caller is checked. */
  get asksWho(): boolean {
    return this.callers !== undefined
  }

  /** Number of updates under way. */
  get size(): number {
    if (this.mayBeLost) this.forgetLost(this.now() - LOST_AFTER)
    return this.running.size + this.aside.size
  }

  /** Returns the status for a request that is rejected before its body is read; 0 if it is not. */
  refusal(
    method: string | undefined,
    secret: string | undefined,
    length: string | null | undefined,
    peer: string | undefined,
    forwarded: string | undefined,
  ): number {
    if (method !== 'POST') return 405
    if (this.draining) return 503
    if (this.callers?.admits(peer, forwarded) === false) {
      if (!isKnown(peer)) this.unknown()
      return 403
    }
    if (this.settings.secret !== undefined && !isSecret(secret, this.settings.secret)) return 401
    return length !== undefined && length !== null && Number(length) > this.maxBody ? 413 : 0
  }

  private unknown(): void {
    this.host
      .services()
      .warn(
        'webhook.address',
        "guard.webhook() checks addresses, but the caller's is unknown or is not a single IP address, so it answers 403. Pass one to webhook.fetch() and webhook.hono().",
      )
  }

  /** Receives a body and answers when it is handled. Never throws. `alone`: true where requests cannot share timers. */
  receive(text: string, to: Recipient, alone = false): void {
    if (this.draining || this.size >= this.settings.maxRunning) {
      refuse(to, 503)
      return
    }
    const said =
      this.gate === undefined || !this.ready || !this.gating
        ? undefined
        : this.gate.decide(this.bot.botInfo.id, text, this)
    if (isPromise(said)) void this.goLater(text, to, alone, said)
    else this.go(text, to, alone, said)
  }

  /** Receives an update that is parsed already. */
  take(update: unknown, to: Recipient, alone = false, made?: Made): void {
    if (!isUpdate(update)) {
      refuse(to, 400)
      return
    }
    const deadlines = alone ? this.own : this.shared
    const same = this.running.get(update.update_id)
    const anew = same !== undefined && this.isOver(same)
    if (same !== undefined && !anew) {
      if (made !== undefined) void this.gate?.giveBack(made)
      same.join(to, deadlines, this.lateStatus)
      return
    }
    if (this.draining || this.size >= this.settings.maxRunning) {
      if (made !== undefined) void this.gate?.giveBack(made)
      refuse(to, 503)
      return
    }
    if (same !== undefined) this.overtake(same)
    const delivery = new Delivery(update, to, deadlines, this.late)
    this.running.set(update.update_id, delivery)
    deadlines.add(delivery)
    if (made !== undefined) this.gate?.hand(update, made)
    if (this.ready) this.handle(delivery)
    else void this.handleFirst(delivery)
  }

  /** Rejects new updates and waits for those under way, at most for the given time. */
  async drain(within: Ms): Promise<Drained> {
    this.draining = true
    let callOff: (() => void) | undefined
    const timeUp = new Promise<void>((fulfil) => {
      callOff = this.host.services().timers.after(within, fulfil)
    })
    const idle = new Promise<void>((fulfil) => {
      this.idle = fulfil
      this.rest()
    })
    // Bursts are flushed at once, without waiting for handlers that hang, and again afterwards for bursts that the handlers caused.
    await Promise.race([Promise.all([this.flush(), idle.then(() => this.flush())]), timeUp])
    callOff?.()
    // Requests that still wait are answered now, since the process may end after this.
    for (const delivery of this.running.values()) {
      if (!delivery.isAnswered) this.tooLate(delivery, `after the ${within} ms of webhook.drain()`)
      delivery.giveUp(this.lateStatus)
    }
    this.shared.clear()
    return { left: this.size }
  }

  /** Finishes background work without closing anything. */
  flush(rounds?: number): Promise<void> {
    return flush(this.host.unfinished(), rounds)
  }

  /** Calls a function after `timeout`. The returned function cancels that. */
  afterTimeout(run: () => void): () => void {
    return this.quiet.after(this.settings.timeout, run)
  }

  /** Reports an error of the webhook itself. */
  failed(error: unknown, during: string): void {
    this.host.services().failed(error, during)
  }

  private gateOf(host: WebhookHost): Gate {
    const chain = host.chain()
    // Two bots behind one sentinel share their offenders.
    if (chain.earlyDecisions instanceof Gate) return chain.earlyDecisions
    const gate = new Gate(host.chain, (error, during) => this.failed(error, during), host.services().clock)
    chain.earlyDecisions = gate
    return gate
  }

  /** Waits for the gate, which asks a remote storage. Does not reject. */
  private async goLater(text: string, to: Recipient, alone: boolean, saying: Promise<Said>): Promise<void> {
    this.aside.set(to, this.now() + this.settings.timeout)
    const said = await saying
    this.aside.delete(to)
    this.go(text, to, alone, said)
    if (this.draining) this.rest()
  }

  private go(text: string, to: Recipient, alone: boolean, said: Said): void {
    if (said === AWAY) {
      refuse(to, 200)
      return
    }
    let update: unknown
    try {
      update = JSON.parse(text)
    } catch {
      // Not reported as an error, since anybody could fill the log with it. take() rejects it, because it is not an update.
    }
    this.take(update, to, alone, said)
  }

  /**
   * Handles an update once the bot is initialised. It waits in the asynchronous context of its request, and for a promise of its own:
   * if its time is up before, nothing keeps it.
   */
  private async handleFirst(delivery: Delivery): Promise<void> {
    const ready = new Promise<boolean>((fulfil) => {
      delivery.start = fulfil
    })
    if (!this.isReady() && this.asker === undefined) {
      this.asker = delivery
      void this.initialise(delivery)
    }
    if (await ready) this.handle(delivery)
    else this.end(delivery, 500)
  }

  /**
   * Calls getMe once. grammY's `init()` would repeat the call at intervals of up to 20 minutes, and all who call it wait for the first
   * call, which may have ended with its request.
   */
  private async initialise(asker: Delivery): Promise<void> {
    const { bot } = this
    try {
      const me = await bot.api.getMe()
      if (!bot.isInited()) bot.botInfo = me
    } catch (error) {
      this.failed(error, 'webhook.init')
    }
    if (this.isReady() || this.asker !== asker) return
    this.asker = undefined
    this.startAll(false)
  }

  /** Whether the bot is initialised, by a call of getMe or by the program. Once it is, updates that wait for it are handled. */
  private isReady(): boolean {
    if (!this.ready && this.bot.isInited()) {
      this.ready = true
      this.startAll(true)
    }
    return this.ready
  }

  private startAll(ready: boolean): void {
    for (const delivery of this.running.values()) delivery.start?.(ready)
  }

  private handle(delivery: Delivery): void {
    const envelope = this.settings.reply ? delivery.mayReply() : undefined
    this.gate?.expect(delivery)
    this.bot.handleUpdate(delivery.update, envelope).then(
      () => {
        if (this.gating && this.gate?.hasCome(delivery) === false) this.passedBy()
        this.end(delivery, 200)
      },
      (error) => this.threw(delivery, error),
    )
  }

  /** Turns the gate off, because an update bypassed the guard: updates that the gate refused might have done the same. */
  private passedBy(): void {
    const services = this.host.services()
    // If no update ever reaches the guard, the gate has refused nothing.
    if (services.bots.get(this.bot.botInfo.id) === undefined) return
    this.gating = false
    services.warn(
      'webhook.bypassed',
      'An update came through guard.webhook(bot) and bypassed the guard, so its gate refuses none before they are parsed. Put the guard in front of everything else, or pass gate: false.',
    )
  }

  private async threw(delivery: Delivery, error: unknown): Promise<void> {
    try {
      await this.bot.errorHandler(error as Parameters<typeof this.bot.errorHandler>[0])
    } catch (second) {
      // Without a handler of its own the bot throws the error again; the original one is reported.
      const cause = second === error && second instanceof Error && 'error' in second ? second.error : second
      this.failed(cause, 'webhook.handler')
    }
    this.end(delivery, this.settings.onThrow === 'accept' ? 200 : 500)
  }

  private readonly late = (delivery: Delivery): void => {
    this.isReady()
    this.tooLate(delivery, `after the ${this.settings.timeout} ms that a webhook waits (webhook.timeout)`)
  }

  private get lateStatus(): number {
    return this.settings.onTimeout === 'accept' ? 200 : 500
  }

  private tooLate(delivery: Delivery, when: string): void {
    const services = this.host.services()
    if (!this.ready) {
      services.warn(
        'webhook.init',
        `The bot was still not initialised ${when}: getMe did not succeed. Updates are answered 503 until it does, and Telegram sends them again. Check whether this process reaches the Bot API, or pass botInfo to the bot.`,
      )
      // No handler has begun, so the update is lost if Telegram is told that it was accepted, and is not handled twice if it is not.
      this.end(delivery, 503)
      return
    }
    const status = this.lateStatus
    services.warn(
      'webhook.late',
      `Handlers were still running ${when}. Telegram was answered ${status}; they continue. Run long work in the background.`,
    )
    delivery.answer(status)
  }

  private end(delivery: Delivery, status: number): void {
    if (!this.looked && this.ready) this.look()
    this.forget(delivery)
    delivery.finish(status)
    if (this.draining) this.rest()
  }

  private forget(delivery: Delivery): void {
    const { update } = delivery
    if (this.running.get(update.update_id) === delivery) this.running.delete(update.update_id)
    else this.aside.delete(delivery)
    // Its call may have ended with its request, so the next update makes another one.
    if (this.asker === delivery) this.asker = undefined
    this.gate?.drop(update)
  }

  /** Forgets what timed out before a time. Answers nobody, because the requests have ended. */
  private forgetLost(before: Ms): void {
    // `running` is in the order in which it times out; `aside` is not.
    for (const delivery of this.running.values()) {
      if (delivery.due > before) break
      this.forget(delivery)
    }
    for (const [lost, due] of this.aside) if (due <= before) this.aside.delete(lost)
  }

  /** At the first update, warns if it did not pass through the guard. */
  private look(): void {
    this.looked = true
    const services = this.host.services()
    if (services.bots.get(this.bot.botInfo.id) !== undefined) return
    services.warn(
      'webhook.unguarded',
      'An update came through guard.webhook(bot), and the guard has not seen it. Put the guard in front: bot.use(guard) or guard.install(bot).',
    )
  }

  /** Whether an update may be handled again: its delivery hangs, and `once` no longer holds the update. */
  private isOver(delivery: Delivery): boolean {
    // Before the bot is initialised no update has been handled, so none can hang.
    if (delivery.isSettled || !this.ready) return false
    const lease = leaseOf(this.host.chain())
    // The lease began before the time-out was set, so it has ended by then at the latest.
    return lease !== undefined && this.now() >= delivery.due + lease
  }

  private overtake(delivery: Delivery): void {
    this.running.delete(delivery.update.update_id)
    this.aside.set(delivery, delivery.due)
    delivery.giveUp(this.lateStatus)
  }

  private rest(): void {
    if (this.size === 0) this.idle?.()
  }
}

/** The gate's decision about a body. */
type Said = typeof AWAY | Made | undefined

/** Returns how long `once` holds an unfinished update before it may be handled again; undefined if it holds it for good. */
function leaseOf({ plan }: Chain): Ms | undefined {
  for (const { check } of plan.questions) {
    if (check.kind === 'claim' && check.guard === 'once') return check.lease
  }
  return undefined
}

/** Answers a request whose update is not handled. */
function refuse(to: Recipient, status: number): void {
  to.answer(status)
  to.finished?.()
}

function isUpdate(value: unknown): value is Update {
  return (
    typeof value === 'object' &&
    value !== null &&
    'update_id' in value &&
    Number.isSafeInteger(value.update_id)
  )
}
