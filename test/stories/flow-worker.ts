import { Bot } from 'grammy'
import type { Update } from 'grammy/types'
import { chatOf } from '../../src/core/chat-of.js'
import type { Facts } from '../../src/core/facts.js'
import {
  concurrency,
  type DebounceOptions,
  debounce,
  type Sentinel,
  type SentinelOptions,
  sentinel,
  throttle,
} from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import type { GuardedContext } from '../middleware/rig.js'
import { accept } from './checkouts.js'
import type { Delivery, Records, Told } from './flow-records.js'
import type { Fate, FlowStory } from './flow-steps.js'
import { HandlerFailed } from './handler-failed.js'
import type { Town } from './town.js'

/** What a story decides about updates, by id. */
export interface Fates {
  readonly fates: Map<number, Fate>
  readonly vetoed: Set<number>
  /** The story is over: nothing waits any more. */
  over: boolean
}

/** A bot behind a sentinel in a process of its own, as far as it knows. */
export class FlowWorker {
  readonly guard: Sentinel<GuardedContext>
  readonly told: Told = { allowed: [], denied: [], deniedLater: [], lost: new Set(), errors: [] }
  private readonly bot: Bot<GuardedContext>

  private constructor(
    private readonly index: number,
    private readonly town: Town,
    private readonly records: Records,
    private readonly decided: Fates,
    storage: Storage,
    { options }: FlowStory,
  ) {
    const { throttle, debounce, concurrency, once, membership, hook } = options
    this.guard = sentinel<GuardedContext>({
      name: 'story',
      clock: town.now,
      timers: town.timers,
      storage,
      throttle,
      debounce: handlingErrors(debounce),
      concurrency,
      once,
      membership,
    } as SentinelOptions<GuardedContext>)
    this.bot = new Bot<GuardedContext>(town.account.token, town.account.config)
    this.listen()
    if (hook !== undefined) {
      this.guard.hook(hook.at, async ({ facts }: { readonly facts: Facts }) => {
        if (hook.after > 0 && !decided.over) await town.sleep(hook.after)
        return decided.vetoed.has(facts.updateId) ? { veto: 'vetoed by the story' } : undefined
      })
    }
    this.guard.install(this.bot)
    if (options.guardedHandlers) this.addGuardedHandlers()
    this.bot.use(this.handler())
    records.told.push(this.told)
  }

  static async hired(
    index: number,
    town: Town,
    records: Records,
    decided: Fates,
    storage: Storage,
    story: FlowStory,
  ): Promise<FlowWorker> {
    const worker = new FlowWorker(index, town, records, decided, storage, story)
    await worker.bot.init()
    return worker
  }

  /** Delivers an update, and does not wait until it is handled. */
  deliver(update: Update, blocked: boolean): Delivery {
    const delivery = this.records.deliver(update.update_id, this.index, blocked)
    this.bot.handleUpdate(update).then(
      () => {
        delivery.ended = true
      },
      ({ error }: { error: unknown }) => {
        delivery.ended = true
        delivery.error = error
      },
    )
    return delivery
  }

  reconfigure(options: SentinelOptions): void {
    this.guard.reconfigure({ ...options, debounce: handlingErrors(options.debounce) } as SentinelOptions)
  }

  private listen(): void {
    const { guard, told } = this
    guard.on('allowed', ({ facts }) => told.allowed.push(facts.updateId))
    guard.on('denied', ({ facts, verdict, wasAllowed, ctx }) => {
      if (!wasAllowed) told.denied.push(facts.updateId)
      else told.deniedLater.push({ update: facts.updateId, byHandler: verdict.guard === 'handler' })
      if (!wasAllowed || verdict.guard === 'handler') return
      for (const { update } of ctx.sentinel?.burst ?? []) {
        if (update.update_id !== facts.updateId) told.lost.add(update.update_id)
      }
    })
    guard.on('error', (event) => told.errors.push(event))
    // Without listeners these are written to the console.
    for (const event of ['warning', 'overdue', 'storage.down', 'storage.up'] as const)
      guard.on(event, () => undefined)
  }

  private addGuardedHandlers(): void {
    const { bot } = this
    bot.command('buy', throttle({ name: 'buy', limit: '2/10s' }), this.handler())
    const render = concurrency({ scope: 'global', most: 1, name: 'render', queue: 2, maxWait: '2s' })
    bot.command('render', render, this.handler())
    const late = debounce({ mode: 'trailing', window: '500ms', commands: 'collect', ...ON_ERROR })
    bot.command('late', late, this.handler(true))
    const photos = concurrency({ scope: 'chat', name: 'photos', most: 1 })
    bot.on('message:photo', debounce({ albums: '400ms', ...ON_ERROR }), photos, this.handler(true))
  }

  private handler(ownDebounce = false): (ctx: GuardedContext) => Promise<void> {
    const { records, decided, town, index } = this
    return async (ctx) => {
      const { facts, burst } = ctx.sentinel
      const update = facts.updateId
      const run = records.begin({
        update,
        updates: (burst ?? [ctx]).map((each) => each.update.update_id),
        worker: index,
        gathered: burst !== undefined,
        ownBurst: ownDebounce && burst !== undefined,
        activity: facts.activity,
        subjects: { user: facts.actor, chat: chatOf(facts) },
      })
      const fate = decided.fates.get(update) as Fate
      try {
        if (fate.after > 0 && !decided.over) await town.sleep(fate.after)
        if (fate.how === 'refund') await ctx.sentinel.refund()
        if (fate.how === 'end') await accept(ctx)
        if (fate.how === 'deny') await ctx.sentinel.deny({ refund: true, notice: false })
        if (fate.how === 'fail once') {
          decided.fates.set(update, { after: 0, how: 'end' })
          run.failed = true
          throw new HandlerFailed(`update ${update}`)
        }
      } finally {
        records.end(run)
      }
    }
  }
}

/** Errors of bursts have no caller; without this option they are `error` events. */
const ON_ERROR = { onError: () => undefined }

function handlingErrors(given: SentinelOptions['debounce']): SentinelOptions['debounce'] {
  if (typeof given !== 'object') return given
  const { mode, albums } = given as DebounceOptions
  return mode === 'trailing' || albums !== undefined ? { ...(given as DebounceOptions), ...ON_ERROR } : given
}
