import type { Bot, Context } from 'grammy'
import type { Update } from 'grammy/types'
import { isPromise } from '../core/check.js'
import { quietTimers, steadyClock, systemClock, systemTimers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import type { Unfinished } from '../middleware/chain/closing.js'
import type { Chain } from '../middleware/pipeline.js'
import type { Services } from '../middleware/services.js'
import type { Callers } from './addresses.js'
import { Deadlines, OwnDeadlines, type Watch } from './deadlines.js'
import { Delivery, type Recipient } from './delivery.js'
import { flush } from './flush.js'
import { AWAY, Gate, type Made, type UnderWay } from './gate.js'
import type { WebhookSettings } from './options.js'
import { isSecret } from './secret.js'

/** What a webhook is made of: the sentinel it belongs to. */
export interface WebhookHost {
  readonly services: () => Services
  readonly chain: () => Chain<Context>
  /** What no update waits for: bursts, notices, answers. */
  readonly unfinished: () => Unfinished
  /** All of the sentinel is to end. */
  close(within: Ms): Promise<void>
}

/** How a drain ended. */
export interface Drained {
  readonly left: number
}

/** Lets updates in: what all faces of a webhook share, whatever server is around them. */
export class Door implements UnderWay {
  readonly maxBody: number
  draining = false
  /** By update id: a delivery that comes again while the first is under way shares its fate. */
  readonly running = new Map<number, Delivery>()
  readonly asked = new Map<number, Promise<unknown>>()
  /** Bodies about which a storage elsewhere is asked. */
  private asking = 0
  /** Deliveries that hang, and whose updates are handled anew. */
  private overtaken = 0
  private readonly now: () => Ms
  private ready: boolean
  private readonly gate: Gate | undefined
  /** Whether the gate decides: where some updates go past the guard, it must not. */
  private gating = true
  private readonly shared: Deadlines
  private readonly own: OwnDeadlines
  private idle: (() => void) | undefined
  private looked = false

  constructor(
    private readonly bot: Bot,
    private readonly host: WebhookHost,
    private readonly settings: WebhookSettings,
    private readonly callers: Callers | undefined,
  ) {
    const { clock, timers } = host.services()
    const quiet = timers === systemTimers ? quietTimers : timers
    this.now = clock === systemClock ? steadyClock : clock
    this.maxBody = settings.maxBody
    this.ready = bot.isInited()
    this.shared = new Deadlines(settings.timeout, this.now, quiet)
    this.own = new OwnDeadlines(settings.timeout, this.now, timers)
    this.gate = settings.gate ? this.gateOf(host) : undefined
  }

  /** Whether it matters who calls. */
  get asksWho(): boolean {
    return this.callers !== undefined
  }

  /** How many updates are under way. */
  get size(): number {
    return this.running.size + this.asking + this.overtaken
  }

  /** The status of whoever is not let in, by what is seen before the body; 0 for everybody else. */
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
      if (peer === undefined) this.unknown()
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
        "guard.webhook() checks addresses, but does not know the caller's: it is answered 403. Give webhook.fetch() and webhook.hono() an address.",
      )
  }

  /** Takes a body in. The answer comes by itself; nothing is thrown. `alone`: where timers are not shared between requests. */
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

  /** Takes an update in that somebody else has parsed. */
  take(update: unknown, to: Recipient, alone = false, made?: Made): void {
    if (!isUpdate(update)) {
      refuse(to, 400)
      return
    }
    const watch: Watch = alone ? this.own : this.shared
    const same = this.running.get(update.update_id)
    const anew = same !== undefined && this.isOver(same)
    if (same !== undefined && !anew) {
      if (made !== undefined) void this.gate?.giveBack(made)
      same.join(to, watch, this.lateStatus)
      return
    }
    if (this.draining || this.size >= this.settings.maxRunning) {
      if (made !== undefined) void this.gate?.giveBack(made)
      refuse(to, 503)
      return
    }
    if (same !== undefined) this.overtake(same)
    const delivery = new Delivery(update, to, watch, this.late)
    this.running.set(update.update_id, delivery)
    watch.begin(delivery)
    if (made !== undefined) this.gate?.hand(update, made)
    if (this.ready) this.handle(delivery)
    else void this.handleFirst(delivery)
  }

  /** Lets nobody in any longer, and waits for what is under way, but no longer than so long. */
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
    // Bursts are flushed at once, so that they need not wait for handlers that hang, and again for what the handlers leave behind.
    await Promise.race([Promise.all([this.flush(), idle.then(() => this.flush())]), timeUp])
    callOff?.()
    // Those who still wait are answered now: after this there may be no process to answer them.
    for (const delivery of this.running.values()) {
      if (!delivery.isAnswered) this.tooLate(delivery, `when the ${within} ms of webhook.drain() were up`)
      delivery.giveUp(this.lateStatus)
    }
    this.shared.stop()
    return { left: this.size }
  }

  /** Finishes what no update waits for, and closes nothing. */
  flush(rounds?: number): Promise<void> {
    return flush(this.host.unfinished(), rounds)
  }

  /** Something of the door's own failed. */
  failed(error: unknown, during: string): void {
    this.host.services().events.tell('error', { error, during })
  }

  private gateOf(host: WebhookHost): Gate {
    const chain = host.chain()
    // Two bots behind one sentinel share what is known of offenders.
    if (chain.foretelling instanceof Gate) return chain.foretelling
    const gate = new Gate(host.chain, (error, during) => this.failed(error, during), host.services().clock)
    chain.foretelling = gate
    return gate
  }

  /** A storage elsewhere is asked; this does not reject. */
  private async goLater(text: string, to: Recipient, alone: boolean, saying: Promise<Said>): Promise<void> {
    this.asking++
    const said = await saying
    this.asking--
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
      // Not told as an error: whoever sends what is no JSON would fill the log with it. Below it is refused for no update.
    }
    this.take(update, to, alone, said)
  }

  private async handleFirst(delivery: Delivery): Promise<void> {
    try {
      await this.bot.init()
      this.ready = true
    } catch (error) {
      this.failed(error, 'webhook.init')
      return this.end(delivery, 500)
    }
    this.handle(delivery)
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

  /** An update went past the guard. What the gate refused might have gone there, too. */
  private passedBy(): void {
    const services = this.host.services()
    // If no update ever comes to the guard, its gate has refused nobody.
    if (services.bots.get(this.bot.botInfo.id) === undefined) return
    this.gating = false
    services.warn(
      'webhook.bypassed',
      'An update came through guard.webhook(bot) and went past the guard, so its gate decides about none before they are parsed. Put the guard in front of all else, or say gate: false.',
    )
  }

  private async threw(delivery: Delivery, error: unknown): Promise<void> {
    try {
      await this.bot.errorHandler(error as Parameters<typeof this.bot.errorHandler>[0])
    } catch (second) {
      // grammY's own handler has nobody to tell, and throws what it was given.
      const cause = second === error && second instanceof Error && 'error' in second ? second.error : second
      this.failed(cause, 'webhook.handler')
    }
    this.end(delivery, this.settings.onError === 'accept' ? 200 : 500)
  }

  private readonly late = (delivery: Delivery): void =>
    this.tooLate(delivery, `after the ${this.settings.timeout} ms that a webhook waits (webhook.timeout)`)

  private get lateStatus(): number {
    return this.settings.onTimeout === 'accept' ? 200 : 500
  }

  private tooLate(delivery: Delivery, when: string): void {
    const status = this.lateStatus
    this.host
      .services()
      .warn(
        'webhook.late',
        `Handlers still ran ${when}. Telegram was answered ${status}; they go on. Let long work go on aside.`,
      )
    delivery.answer(status)
  }

  private end(delivery: Delivery, status: number): void {
    if (!this.looked) this.look()
    if (delivery.overtaken) this.overtaken--
    else this.running.delete(delivery.update.update_id)
    this.gate?.drop(delivery.update)
    delivery.finish(status)
    if (this.draining) this.rest()
  }

  /** At the first update: whether it came by the guard at all. */
  private look(): void {
    this.looked = true
    const services = this.host.services()
    if (!this.bot.isInited() || services.bots.get(this.bot.botInfo.id) !== undefined) return
    services.warn(
      'webhook.unguarded',
      'An update came through guard.webhook(bot), and the guard has not seen it. Put the guard in front: bot.use(guard) or guard.install(bot).',
    )
  }

  /** Whether its update may be handled anew: it hangs, and `once` holds it no longer. */
  private isOver(delivery: Delivery): boolean {
    if (delivery.isSettled) return false
    const lease = leaseOf(this.host.chain())
    // The lease began before the time-out, so it is over by then at the latest.
    return lease !== undefined && this.now() >= delivery.dueAt + lease
  }

  private overtake(delivery: Delivery): void {
    this.overtaken++
    delivery.overtaken = true
    delivery.giveUp(this.lateStatus)
  }

  private rest(): void {
    if (this.size === 0) this.idle?.()
  }
}

/** What the gate says of a body. */
type Said = typeof AWAY | Made | undefined

/** After so long `once` has an update handled anew that is still under way; undefined for never. */
function leaseOf({ questions }: Chain<Context>): Ms | undefined {
  for (const { check } of questions.questions) {
    if (check.kind === 'claim' && check.guard === 'once') return check.lease
  }
  return undefined
}

/** Answers whoever's update goes no further. */
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
