import { type Middleware, type SessionFlavor, type SessionOptions, session } from 'grammy'
import type { Sentinel } from '../../src/index.js'
import type { Storage } from '../../src/storage/contract/storage.js'
import type { GuardedContext } from '../middleware/rig.js'
import { desk, says } from '../sentinel/desk.js'

/** A bot that counts the updates of its only user in a session, and handles them one after another. */
export interface Counting {
  readonly guard: Sentinel<GuardedContext>
  /** Sends an update. Returns the count, or rejects with the error of the middleware. */
  counts(): Promise<number>
  /** `down` with the reason, and `up`. */
  readonly told: string[]
  stop(): Promise<void>
}

interface Session {
  n: number
}

function sessions(options: SessionOptions<Session, GuardedContext>): Middleware<GuardedContext> {
  return session(
    options as SessionOptions<Session, GuardedContext & SessionFlavor<Session>>,
  ) as unknown as Middleware<GuardedContext>
}

export function counting(storage: Storage): Counting {
  let last = 0
  const { guard, bot, handle } = desk({
    storage,
    throttle: '1000/1m',
    clock: undefined,
    timers: undefined,
  })
  bot.use(sessions({ initial: () => ({ n: 0 }), storage: guard.storage.sessions<Session>() }))
  bot.use((ctx) => {
    last = ++(ctx as unknown as SessionFlavor<Session>).session.n
  })
  const told: string[] = []
  guard.on('storage.down', ({ reason }) => told.push(`down ${reason}`))
  guard.on('storage.up', () => told.push('up'))
  let text = 0
  return {
    guard,
    async counts() {
      await handle(says(7, `update ${++text}`))
      return last
    },
    told,
    async stop() {
      await guard.close()
      await storage.close()
    },
  }
}
