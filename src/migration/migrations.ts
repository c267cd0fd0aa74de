import { quietTimers, systemTimers } from '../core/clock.js'
import type { Ms } from '../core/duration.js'
import { SentinelError } from '../core/errors.js'
import { getOrInsert } from '../core/maps.js'
import { SharedTimer } from '../core/request-bound.js'
import { Recent } from '../middleware/recent.js'
import type { Services } from '../middleware/services.js'
import { type Move, moveMarks, moveMembers } from './stored-state.js'

/** Delay before failed moves are repeated. */
const AGAIN: Ms = 5000
/** Most failed moves that are kept. */
const MOST = 1000
/** How long a finished move is remembered. Telegram announces each move twice, and may deliver both messages again. */
const REMEMBERED_FOR: Ms = 600_000

/** The moves of groups to supergroups, which Telegram announces only once. So what fails is repeated until it succeeds. */
class Migrations {
  private readonly failed = new Map<string, Move>()
  private readonly underWay = new Map<string, Promise<void>>()
  private readonly finished = new Recent<true>(REMEMBERED_FOR, MOST)
  private readonly timer: SharedTimer

  constructor({ steady, timers }: Services) {
    // A repetition must not keep the process alive.
    this.timer = new SharedTimer(steady, timers === systemTimers ? quietTimers : timers)
  }

  /** Begins a move. Members are moved in the background. Never rejects. */
  begin(services: Services, bot: number, from: number, to: number): Promise<void> {
    if (this.timer.isLost) this.repeatAside(services)
    const name = `${bot} ${from} ${to}`
    if (this.finished.get(name, services.steady()) !== undefined) return Promise.resolve()
    const known = this.underWay.get(name)
    if (known !== undefined) return known
    const move = this.failed.get(name) ?? { bot, from, to, copied: new Set() }
    const beginning = this.attempt(services, name, move).finally(() => this.underWay.delete(name))
    this.underWay.set(name, beginning)
    return beginning
  }

  /** Repeats failed moves now. When the sentinel closes, reports those that fail again. Never rejects. */
  async finish(services: Services): Promise<void> {
    await this.repeat(services)
    if (!services.shared.closing) return
    this.timer.off()
    for (const move of this.failed.values()) giveUp(services, move)
    this.failed.clear()
  }

  private async attempt(services: Services, name: string, move: Move): Promise<void> {
    try {
      await moveMarks(services, move)
    } catch (error) {
      this.keep(services, name, move)
      services.failed(error, 'chats.migrate')
      return
    }
    const members = async (): Promise<void> => {
      try {
        await moveMembers(services, move)
        this.settle(services, name)
      } catch (error) {
        this.keep(services, name, move)
        throw error
      }
    }
    if (!services.background.runOrReport('chats.roles', members)) this.keep(services, name, move)
  }

  private settle({ steady }: Services, name: string): void {
    this.failed.delete(name)
    this.finished.set(name, true, steady())
  }

  private keep(services: Services, name: string, move: Move): void {
    // Put at the end of the line, so that a move that fails each time does not hold up the others.
    this.failed.delete(name)
    if (this.failed.size < MOST) this.failed.set(name, move)
    else giveUp(services, move)
    if (!this.timer.isSet && !services.shared.closing) this.timer.set(AGAIN, () => this.repeatAside(services))
  }

  private repeatAside(services: Services): void {
    this.timer.off()
    const isRunning = services.background.run('chats.migrate', () => this.repeat(services))
    if (!isRunning) this.timer.set(AGAIN, () => this.repeatAside(services))
  }

  /** Repeats failed moves, up to the first that fails again: the storage is still down then. Its failure has been reported. */
  private async repeat(services: Services): Promise<void> {
    for (const [name, move] of [...this.failed]) {
      try {
        await moveMarks(services, move)
        await moveMembers(services, move)
        this.settle(services, name)
      } catch {
        this.keep(services, name, move)
        return
      }
    }
  }
}

/** Reports a move that is not repeated any more. */
function giveUp(services: Services, { from, to }: Move): void {
  const text = `The group ${from} became the supergroup ${to} while the storage did not answer. Not all of its block, limits, settings and roles were moved: set them again for ${to}.`
  services.failed(new SentinelError('storage.unavailable', text), 'chats.migrate')
}

/** The moves of each sentinel, which outlive its options. */
const moves = new WeakMap<object, Migrations>()

function movesOf(services: Services): Migrations {
  return getOrInsert(moves, services.shared, () => new Migrations(services))
}

/** Moves what is stored for a group that became a supergroup. Never rejects: failures are reported, and the move is repeated. */
export function moveChat(services: Services, bot: number, from: number, to: number): Promise<void> {
  return movesOf(services).begin(services, bot, from, to)
}

/** Repeats failed moves before the guards of the given services are discarded. */
export function finishMoves(services: Services): Promise<void> {
  return movesOf(services).finish(services)
}
