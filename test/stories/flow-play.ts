import type { Update } from 'grammy/types'
import type { Person } from '../../src/telegram/index.js'
import { checkEnd, checkIdle, checkRuns, checkTally, checkTimers } from './flow-invariants.js'
import { Records } from './flow-records.js'
import type { FlowStep, FlowStory } from './flow-steps.js'
import { type Fates, FlowWorker } from './flow-worker.js'
import type { Store, StoreOf } from './story-storages.js'
import { Town } from './town.js'

/** More than any handler, wait and burst of a story takes. */
const LONG = 70_000
/** How many updates of the past a story may deliver again. */
const RECENT = 6

/** Plays a story, and returns which promises were broken, in words. */
export async function playFlow(story: FlowStory, storeOf: StoreOf): Promise<readonly string[]> {
  const town = await Town.built()
  const store = storeOf(town)
  const records = new Records(store.failing !== undefined)
  const decided: Fates = { fates: new Map(), vetoed: new Set(), over: false }
  const workers: FlowWorker[] = []
  for (let index = 0; index < story.options.workers; index++)
    workers.push(await FlowWorker.hired(index, town, records, decided, store.storageOf(index), story))
  const play = new Play(town, store, records, decided, workers, story)
  await play.begin()
  for (const step of story.steps) {
    await play.step(step)
    checkRuns(records, play.options)
    if (records.faults.length > 0) break
  }
  await play.end()
  await store.close()
  await town.close()
  return records.faults
}

class Play {
  private readonly recent: Update[] = []
  private readonly blocked = new Set<number>()

  constructor(
    private readonly town: Town,
    private readonly store: Store,
    private readonly records: Records,
    private readonly decided: Fates,
    private readonly workers: readonly FlowWorker[],
    private readonly story: FlowStory,
  ) {}

  get options() {
    return this.story.options
  }

  /** Each worker meets its bot, so that it can block and reset from the first step on. */
  async begin(): Promise<void> {
    for (const who of [0, 1] as const) {
      const updates = await this.town.sees({ does: 'says', who, where: 'private', text: 'first', times: 1 })
      for (const update of updates) this.deliver(update, who)
      await this.town.quiet()
    }
  }

  async step(step: FlowStep): Promise<void> {
    const { town, workers, records, store } = this
    switch (step.do) {
      case 'act': {
        const updates = await town.sees(step.act)
        for (const [index, update] of updates.entries()) {
          this.decided.fates.set(update.update_id, step.fate)
          if (step.vetoed) this.decided.vetoed.add(update.update_id)
          this.deliver(update, step.worker + index)
          if (!step.together) await town.quiet()
        }
        break
      }
      case 'redeliver':
        // A copy, as each delivery is parsed anew.
        this.deliver(structuredClone(this.recentUpdate(step.which)), step.worker)
        break
      case 'simulate':
        await this.simulate(this.recentUpdate(step.which), this.worker(step.worker))
        break
      case 'pass':
        await town.pass(step.ms)
        break
      case 'reconfigure':
        for (const each of workers) each.reconfigure(step.options)
        records.reconfigured = true
        break
      case 'break the storage':
        if (store.failing === undefined) break
        if (step.fault === 'none') store.failing.resume()
        store.failing.fault = step.fault
        store.failing.delay = step.delay
        break
      default:
        await this.administer(step.do, town.people[step.who] as Person, this.worker(step.worker))
    }
    await town.quiet()
  }

  /** Lets the story end, closes the workers, and checks what must be true then. */
  async end(): Promise<void> {
    const { town, workers, records, store, decided } = this
    decided.over = true
    if (store.failing !== undefined) {
      store.failing.kill()
      store.failing.resume()
      store.failing.delay = 0
      await town.pass(8000)
    }
    // What waits already ends in steps that are short enough for the time limits of hooks.
    await town.pass(1000)
    if (this.story.endsQuietly) {
      await town.pass(LONG, 1000)
      for (const worker of workers) await checkIdle(records, worker, 'after a pause')
    }
    await this.ended('close()', Promise.all(workers.map(({ guard }) => guard.close())))
    // close() does not wait for handlers that do not hold anything up.
    await town.pass(6000, 1000)
    checkRuns(records, this.options)
    checkEnd(records)
    for (const [index, worker] of workers.entries()) {
      await checkIdle(records, worker, 'after close()')
      await checkTally(records, worker, index)
    }
    if (!store.isRemote) checkTimers(records, town)
  }

  private deliver(update: Update, worker: number): void {
    const { fates } = this.decided
    if (!fates.has(update.update_id)) fates.set(update.update_id, { after: 0, how: 'end' })
    this.recent.push(update)
    const index = worker % this.workers.length
    this.worker(index).deliver(update, this.blocked.has(senderOf(update)))
  }

  private worker(index: number): FlowWorker {
    return this.workers[index % this.workers.length] as FlowWorker
  }

  private recentUpdate(which: number): Update {
    const last = this.recent.slice(-RECENT)
    return last[which % last.length] as Update
  }

  private async administer(
    what: 'block' | 'unblock' | 'reset',
    { id }: Person,
    { guard }: FlowWorker,
  ): Promise<void> {
    await this.ended(`${what}()`, guard[what](id))
    if (what === 'block') this.blocked.add(id)
    if (what !== 'unblock') return
    this.blocked.delete(id)
    for (const delivery of [...this.records.deliveries.values()].flat()) {
      if (!delivery.ended) delivery.blocked = false
    }
  }

  /** A simulation charges nothing. */
  private async simulate(update: Update, { guard }: FlowWorker): Promise<void> {
    const left = async (): Promise<string> => {
      const states = await Promise.all(this.town.people.map(({ id }) => guard.peek(id)))
      return states
        .flat()
        .map(({ name, remaining }) => `${name} ${remaining.toFixed(3)}`)
        .join(', ')
    }
    // While the storage fails there is nothing to compare.
    if (this.store.failing !== undefined) return this.ended('simulate()', guard.simulate(update))
    const before = await left()
    await guard.simulate(update)
    const after = await left()
    if (before !== after) this.records.fault(`simulate() changed what is left: ${before}; ${after}`)
  }

  /** Waits for a call, while time passes. Only a storage that fails may let it reject. */
  private async ended(what: string, call: Promise<unknown>): Promise<void> {
    const { town, records } = this
    let isEnded = false
    const failed = (error: Error & { code?: string }): void => {
      isEnded = true
      const mayFail = this.store.failing !== undefined && error.code?.startsWith('storage.') === true
      if (!mayFail) records.fault(`${what} rejected: ${error.stack}`)
    }
    call.then(() => {
      isEnded = true
    }, failed)
    await town.quiet()
    for (let waited = 0; waited < 2 * LONG && !isEnded; waited += 100) await town.pass(100)
    if (!isEnded) records.fault(`${what} hangs`)
  }
}

/** The user whose block must stop the update; 0 if it is another sender or nobody in particular. */
function senderOf(update: Update): number {
  const { message, edited_message: edited, callback_query: tap, business_message: served } = update
  const { pre_checkout_query: checkout, inline_query: asked, chosen_inline_result: picked } = update
  if (message?.sender_chat !== undefined || message?.left_chat_member !== undefined) return 0
  // Money has been taken for these, and these are sent by the account's own bot.
  if (message?.successful_payment !== undefined || served?.sender_business_bot !== undefined) return 0
  const { message_reaction: reaction, poll_answer: vote } = update
  if (reaction !== undefined || vote !== undefined)
    return reaction?.user?.id ?? (vote?.voter_chat === undefined ? vote?.user?.id : 0) ?? 0
  return (message ?? edited ?? tap ?? served ?? checkout ?? asked ?? picked)?.from?.id ?? 0
}
