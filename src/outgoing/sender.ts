import { HttpError } from 'grammy'
import type { ApiResponse } from 'grammy/types'
import {
  type Clock,
  ofAnyLength,
  quietTimers,
  steadyClock,
  systemTimers,
  type Timers,
} from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { endsWithRequests } from '../core/request-bound.js'
import { GLOBAL_KEY } from '../core/subject.js'
import type { ChatMigratedEvent, OutgoingLimitedEvent } from '../middleware/events.js'
import type { Storage } from '../storage/contract/storage.js'
import {
  type Abortable,
  calledOff,
  chatIn,
  isSafe,
  isSending,
  isSpent,
  isWithinLimits,
  isWriting,
  laneKey,
  tooMany,
  waitIn,
} from './calls.js'
import { FloodedChats, type Tries } from './flooded-chats.js'
import { Lane, type Waiter } from './lane.js'
import type { OutgoingSettings } from './options.js'
import { SharedPauses } from './shared-pauses.js'
import { Shares } from './shares.js'

/** First delay after a 5xx or no answer; doubled each time, up to the longest. */
const BACK_OFF: Ms = 500
const LONGEST_BACK_OFF: Ms = 10_000
/** Most lanes. Calls that would need another lane do not wait: they are sent, and a refusal goes to their caller. */
const MOST_LANES = 10_000
const WHOLE_BOT = String(GLOBAL_KEY)

/** The environment of a sender. */
interface SenderEnvironment {
  readonly bot?: number | undefined
  readonly storage?: Pick<Storage, 'marks' | 'watch'> | undefined
  readonly clock?: Clock | undefined
  readonly timers?: Timers | undefined
  /** Returns a number from 0 to 1. */
  readonly random: () => number
  readonly limited: (told: OutgoingLimitedEvent) => void
  readonly migrated: (told: ChatMigratedEvent) => void
  readonly failed: (error: unknown, during: string) => void
}

interface Call {
  readonly number: number
  readonly method: string
  readonly payload: unknown
  readonly chat: number | string | undefined
  /** The options in force when it was made. */
  readonly options: OutgoingSettings
  /** The key of the lane that the call passes through, if that lane exists. */
  readonly key: string
  readonly held: readonly string[]
  readonly signal: Abortable | undefined
  /** The latest time until which it may wait; set when it first has to wait. */
  deadline: Ms | undefined
  /** Whether it has a place among the calls that may wait. It keeps that until it ends, and can wait again. */
  hasPlace: boolean
  readonly tries: Tries
}

/** Sends calls and repeats them: the implementation of `outgoing()`. */
export class Sender {
  readonly counts = {
    calls: 0,
    limited: 0,
    retried: 0,
    gaveUp: 0,
    overloaded: 0,
    migrated: 0,
    waitedMs: 0,
  }
  waiting = 0
  private readonly pauses: SharedPauses | undefined
  private readonly clock: Clock
  private readonly timers: Timers
  private readonly lanes = new Map<string, Lane>()
  private readonly laneShared
  /** Functions that end the current waits, and the times at which they are due. */
  private readonly ends = new Map<() => void, Ms>()
  private readonly flooded = new FloodedChats()
  /** Of calls that wait or have waited. */
  private readonly places = new Shares<string>()
  private number = 0
  private closed = false
  /** The lanes held by the call that is being handed on, and by its outer calls. A call made now is made on their behalf. */
  held: readonly string[] = []

  constructor(
    private options: OutgoingSettings,
    private readonly environment: SenderEnvironment,
  ) {
    const { storage, bot, clock } = environment
    const timers = environment.timers && ofAnyLength(environment.timers)
    this.clock = clock ?? steadyClock
    this.timers = timers ?? systemTimers
    this.laneShared = {
      clock: this.clock,
      // A timer for a chat without calls must not keep the process alive.
      timers: timers ?? quietTimers,
      emptied: (lane: Lane) => {
        if (this.lanes.get(lane.key) === lane) this.lanes.delete(lane.key)
      },
    }
    if (storage !== undefined && bot !== undefined) {
      const pause = (key: string, forMs: Ms): void => {
        if (this.options.share) this.laneOf(key)?.close(this.clock() + forMs + this.extra())
      }
      this.pauses = new SharedPauses(
        storage,
        bot,
        pause,
        (error) => this.environment.failed(error, 'outgoing.share'),
        clock,
      )
    }
  }

  /** Applies other options to later calls. Those that were made before keep theirs. */
  configure(options: OutgoingSettings): void {
    this.options = options
  }

  /** Pauses received from other workers. */
  get heard(): number {
    return this.pauses?.heard ?? 0
  }

  /** Shares pauses with other workers; undefined if that is turned off. */
  private get shared(): SharedPauses | undefined {
    return this.options.share ? this.pauses : undefined
  }

  get paused(): number {
    return this.lanes.size
  }

  /**
   * Sends a call as often as necessary; returns Telegram's last answer, or a 429 if it was given up before it was sent.
   *
   * @param held Lanes of the outer calls, if an inner transformer makes this call: they wait for it, so it must not wait for
   * them.
   */
  async send<T>(
    method: string,
    payload: unknown,
    signal: Abortable | undefined,
    make: () => Promise<ApiResponse<T>>,
    held: readonly string[] = [],
  ): Promise<ApiResponse<T>> {
    this.counts.calls++
    if (this.closed) return make()
    this.shared?.begin()
    const { options } = this
    const chat = chatIn(payload)
    const call: Call = {
      number: ++this.number,
      method,
      payload,
      chat,
      options,
      key: laneKey(method, payload, options.order === 'chat'),
      held,
      signal,
      deadline: undefined,
      hasPlace: false,
      tries: { made: 0, spared: 0 },
    }
    let last: ApiResponse<T> | undefined
    try {
      for (;;) {
        const lanes: Lane[] = []
        try {
          // Without lanes nothing has to wait, which is the case for nearly all calls.
          const refused =
            this.lanes.size > 0 || options.order === 'chat'
              ? await (held.includes(call.key) ? this.untilOpen(call) : this.enter(lanes, call))
              : undefined
          if (refused !== undefined) {
            this.counts.gaveUp++
            return last ?? tooMany(refused)
          }
          // Counted after the wait, since the call may be given up while it waits.
          if (last !== undefined) this.counts.retried++
          last = await this.answerTo(call, make)
          if (last.ok || !this.limitedBy(call, last)) return last
        } finally {
          for (const lane of lanes) lane.leave(isWithinLimits(last))
        }
      }
    } finally {
      this.release(call)
    }
  }

  private release(call: Call): void {
    if (call.hasPlace) this.places.give(call.key)
    call.hasPlace = false
  }

  /**
   * Sends a call until it has a conclusive answer. Keeps its lanes meanwhile, or other calls would overtake it.
   */
  private async answerTo<T>(call: Call, make: () => Promise<ApiResponse<T>>): Promise<ApiResponse<T>> {
    for (;;) {
      call.tries.made++
      let answer: ApiResponse<T>
      try {
        answer = await this.handOn(call, make)
      } catch (error) {
        const unanswered = error instanceof HttpError && call.signal?.aborted !== true
        if (!unanswered || !call.options.retry.includes('network') || !(await this.backOff(call))) throw error
        continue
      }
      if (answer.ok || answer.error_code < 500) return answer
      if (!call.options.retry.includes('server') || !(await this.backOff(call))) return answer
    }
  }

  private handOn<T>({ held, key }: Call, make: () => Promise<T>): Promise<T> {
    const before = this.held
    this.held = [...held, key]
    try {
      return make()
    } finally {
      this.held = before
    }
  }

  /** Ends all waits: their callers get the error. Later calls are sent unchanged. */
  async close(): Promise<void> {
    this.closed = true
    for (const end of [...this.ends.keys()]) end()
    await this.pauses?.end()
  }

  private laneOf(key: string, widens = key === WHOLE_BOT): Lane | undefined {
    const known = this.lanes.get(key)
    if (known !== undefined || this.lanes.size >= MOST_LANES) return known
    const lane = new Lane(key, widens, this.laneShared)
    this.lanes.set(key, lane)
    return lane
  }

  /**
   * Takes a place in the lane of the call's chat, then in that of the whole bot, if these lanes exist; the chat comes first, so
   * that a call waiting for it does not block other chats. Returns the remaining wait if it exceeds what the call may wait.
   */
  private async enter(entered: Lane[], call: Call): Promise<Ms | undefined> {
    const { key, chat, method, options } = call
    // A nested call passes in the place of its outer call.
    const sends = isSending(method) && call.held.length === 0
    // Keeps the bot's lane alive. If it were discarded while all calls wait for their chats, they would all go at once.
    const expecting = sends ? this.lanes.get(WHOLE_BOT) : undefined
    expecting?.expect(1)
    const ways = [
      () => (options.order === 'chat' && chat !== undefined ? this.laneOf(key) : this.lanes.get(key)),
      // Looked up only after the wait for the chat, since the bot's lane may have been closed meanwhile.
      () => (sends ? this.lanes.get(WHOLE_BOT) : undefined),
    ]
    try {
      for (const way of ways) {
        const lane = way()
        if (lane === undefined) continue
        if (!lane.enter() && !(await this.waitIn(lane, call))) return Math.max(1, lane.opensIn)
        entered.push(lane)
      }
      return undefined
    } finally {
      expecting?.expect(-1)
    }
  }

  /** Waits until the call's chat is open, without taking a place. Returns the remaining wait if it exceeds what the call may wait. */
  private async untilOpen(call: Call): Promise<Ms | undefined> {
    const wait = this.lanes.get(call.key)?.opensIn ?? 0
    if (wait === 0) return undefined
    const left = this.left(call)
    const isWorthWaiting = wait <= left && this.mayWait(call)
    return isWorthWaiting && (await this.until(call, left, (go) => this.timers.after(wait, go)))
      ? undefined
      : wait
  }

  private waitIn(lane: Lane, call: Call): Promise<boolean> {
    const left = this.left(call)
    if (lane.opensIn > left || !this.mayWait(call)) return Promise.resolve(false)
    return this.until(call, left, (go, end) => {
      const waiter: Waiter = { number: call.number, deadline: this.clock() + left, go, end }
      lane.wait(waiter)
      return () => lane.remove(waiter)
    })
  }

  private mayWait(call: Call): boolean {
    if (this.closed) return false
    // Their timers may have ended with the requests that set them.
    if (endsWithRequests()) for (const [end, due] of this.ends) if (due < this.clock()) end()
    call.hasPlace ||= this.places.take(call.key, call.options.maxWaiting)
    if (!call.hasPlace) this.counts.overloaded++
    return call.hasPlace
  }

  /** Returns how long a call may still wait. */
  private left(call: Call): Ms {
    const now = this.clock()
    call.deadline ??= now + call.options.maxWait
    return call.deadline - now
  }

  /**
   * Waits for a signal to go; returns false if it takes too long or all waits are ended. Rejects if the caller aborts the call.
   */
  private until(
    call: Call,
    most: Ms,
    begin: (go: () => void, end: () => void) => () => void,
  ): Promise<boolean> {
    const { signal } = call
    return new Promise<boolean>((fulfil, reject) => {
      if (signal?.aborted === true) return reject(calledOff(call))
      const since = this.clock()
      let ended = false
      let giveUp = (): void => undefined
      const settle = (): boolean => {
        if (ended) return false
        ended = true
        this.waiting--
        // There the call may never go on.
        if (endsWithRequests()) this.release(call)
        this.counts.waitedMs += Math.max(0, this.clock() - since)
        this.ends.delete(endNow)
        callOff()
        signal?.removeEventListener('abort', aborted)
        return true
      }
      const endNow = (): void => {
        if (!settle()) return
        giveUp()
        fulfil(false)
      }
      const aborted = (): void => {
        if (!settle()) return
        giveUp()
        reject(calledOff(call))
      }
      this.waiting++
      const span = Math.max(0, most)
      this.ends.set(endNow, since + span)
      const callOff = this.timers.after(span, endNow)
      signal?.addEventListener('abort', aborted)
      giveUp = begin(() => {
        if (settle()) fulfil(true)
      }, endNow)
    })
  }

  /** Handles a 429; returns whether the call is repeated. */
  private limitedBy<T>(call: Call, answer: ApiResponse<T>): boolean {
    const wait = waitIn(answer)
    if (wait === undefined) {
      this.migratedBy(call, answer)
      return false
    }
    const forMs = wait + this.extra()
    const until = this.clock() + forMs
    this.counts.limited++
    // Only what is written to one chat has an order to keep. Other calls would never catch up one at a time.
    const lane = this.laneOf(call.key, call.key.endsWith(`/${call.method}`))
    lane?.close(until)
    if (call.chat !== undefined && isWriting(call.method)) {
      this.shared?.tell(call.key, wait)
      if (isSending(call.method)) this.floodedBy(call, wait, until)
    }
    const mayRepeat =
      call.options.retry.includes('flood') &&
      this.mayTry(call) &&
      !this.closed &&
      forMs <= this.left(call) &&
      !isSpent(call.payload)
    // Without a lane nothing can hold the call until it may be sent.
    if (mayRepeat && lane === undefined) this.counts.overloaded++
    const again = mayRepeat && lane !== undefined && this.mayWait(call)
    this.environment.limited({
      bot: this.environment.bot,
      method: call.method,
      chat: call.chat,
      retryAfterMs: wait,
      attempt: call.tries.made,
      retried: again,
    })
    if (!again) this.counts.gaveUp++
    return again
  }

  /** Pauses the whole bot if it seems to be limited, because every other message would be refused, too. */
  private floodedBy({ key, tries }: Call, wait: Ms, until: Ms): void {
    const refusal = { at: this.clock(), wait, until }
    const pause = this.flooded.pauseAfter(key, tries, refusal, this.lanes.get(WHOLE_BOT))
    if (pause !== undefined && this.laneOf(WHOLE_BOT)?.close(pause.until) === true)
      this.shared?.tell(WHOLE_BOT, pause.wait)
  }

  /** Whether a call has attempts left. Refusals to the bot as a whole do not count, unless calls are not repeated at all. */
  private mayTry({ options, tries }: Call): boolean {
    return options.attempts > 1 && tries.made - tries.spared < options.attempts
  }

  private migratedBy<T>(call: Call, answer: ApiResponse<T>): void {
    const to = answer.ok ? undefined : answer.parameters?.migrate_to_chat_id
    if (to === undefined || call.chat === undefined) return
    this.counts.migrated++
    this.environment.migrated({ bot: this.environment.bot, method: call.method, from: call.chat, to })
  }

  /** Waits before a retry; returns whether to repeat the call, of which it is unknown whether it took effect. */
  private async backOff(call: Call): Promise<boolean> {
    if (call.options.repeat !== 'all' && !isSafe(call.method, call.payload)) return false
    if (!this.mayTry(call) || isSpent(call.payload) || !this.mayWait(call)) return false
    const longest = Math.min(LONGEST_BACK_OFF, BACK_OFF * 2 ** (call.tries.made - call.tries.spared - 1))
    // Waits a random time between half the longest and the longest, so that calls do not all come back at once.
    const wait = longest * (1 - this.environment.random() / 2)
    if (wait > this.left(call)) return false
    const waited = await this.until(call, this.left(call), (go) => this.timers.after(wait, go))
    if (waited) this.counts.retried++
    return waited
  }

  private extra(): Ms {
    return this.environment.random() * this.options.jitter
  }
}
