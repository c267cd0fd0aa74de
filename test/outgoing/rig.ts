import { Api, GrammyError } from 'grammy'
import type { OutgoingOptions } from '../../src/outgoing/options.js'
import { type OutgoingEnvironment, outgoing } from '../../src/outgoing/outgoing.js'
import type { Outgoing } from '../../src/outgoing/transformer.js'
import {
  type FloodLimits,
  type Person,
  startTelegram,
  type Telegram,
  type TelegramBot,
} from '../../src/telegram/index.js'
import { Stage } from '../middleware/rig.js'
import { until } from '../servers/until.js'

/** A bot that sends, on a Telegram whose time moves only when told. */
export interface Office {
  readonly telegram: Telegram
  readonly account: TelegramBot
  readonly time: Stage
  readonly api: Api
  readonly calls: Outgoing
  /** People who may be written to. */
  readonly people: readonly Person[]
  /** Another worker of the same bot. */
  worker(options?: OutgoingOptions, environment?: OutgoingEnvironment): { api: Api; calls: Outgoing }
  /** The texts that Telegram accepted for a person, in order. */
  heard(person: Person): string[]
  /** The number of calls that reached Telegram, refused or not. */
  readonly made: number
  /** Advances the clock once all work that does not depend on it is done. */
  pass(ms: number): Promise<void>
  /** Waits until this many calls are waiting. */
  waiting(count: number): Promise<void>
  stop(): Promise<void>
}

export async function office(
  options: OutgoingOptions = {},
  limits: boolean | FloodLimits = false,
  people = 3,
): Promise<Office> {
  const time = new Stage()
  const telegram = await startTelegram({ clock: time.clock, limits })
  const account = telegram.createBot({ username: 'busy_bot' })
  const everybody = Array.from({ length: people }, (_, i) => telegram.createUser({ firstName: `P${i}` }))
  for (const person of everybody) await person.to(account).sends('/start')
  const all: Outgoing[] = []
  const worker: Office['worker'] = (own = {}, environment = {}) => {
    const api = new Api(account.token, { apiRoot: telegram.apiRoot })
    const calls = outgoing(own, { clock: time.clock, timers: time.timers, random: () => 0, ...environment })
    api.config.use(calls)
    all.push(calls)
    return { api, calls }
  }
  const first = worker(options)
  return {
    telegram,
    account,
    time,
    ...first,
    people: everybody,
    worker,
    heard: (person) =>
      telegram
        .calls('sendMessage')
        .filter(({ params, result }) => params.chat_id === person.id && result?.ok === true)
        .map(({ params }) => String(params.text)),
    get made() {
      return telegram.calls().length
    },
    async pass(ms) {
      time.advance(ms)
      // Released calls go over a real socket.
      await new Promise((done) => setImmediate(done))
    },
    waiting: (count) =>
      until(
        `${count} calls wait`,
        () => all.reduce((sum, { health }) => sum + health().waiting, 0) === count,
      ),
    async stop() {
      for (const calls of all) await calls.close()
      await telegram.close()
    },
  }
}

/** The outcome of a call: 'sent', or the code of Telegram's error. */
export async function fate(call: Promise<unknown>): Promise<string | number> {
  try {
    await call
    return 'sent'
  } catch (error) {
    if (error instanceof GrammyError) return error.error_code
    return (error as Error).name
  }
}
