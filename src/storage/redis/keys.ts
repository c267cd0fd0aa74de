import { SentinelError } from '../../core/errors.js'
import { type Key, keyText } from '../../core/subject.js'

/*
 * Names of keys. Keys of a bot contain its id in braces, by which Redis Cluster places keys, so that all keys of a chain are on
 * one node. Text written by users comes last, so that it cannot imitate other keys.
 */

const PREFIX = /^[\w.:-]{1,64}$/

/** The names of one bot's keys. */
export class BotKeys {
  readonly clock: string
  /** Records; followed by the scope's tag, a colon and the subject. */
  readonly record: string
  /** Marks of a subject; followed by the subject. */
  readonly marks: string
  /** Bits of sequences; followed by the slot's tag, a colon, the subject, a colon and the number of the chunk. */
  readonly sequence: string
  readonly user: string
  readonly users: string
  /** Describes the keys of all processes' plans, for resets: a process does not know the plans of the others. */
  readonly plans: string

  constructor(
    prefix: string,
    readonly bot: number,
  ) {
    const base = `${prefix}:{${bot}}:`
    this.clock = `${base}clock`
    this.record = `${base}r`
    this.marks = `${base}m:`
    this.sequence = `${base}s`
    this.user = `${base}u:`
    this.users = `${base}users`
    this.plans = `${base}plans`
    this.holders = `${base}h:`
    this.lapsing = `${base}l:`
  }

  /** Sorted sets of the holders of a mark and of when their marks lapse; followed by the mark's name. */
  readonly holders: string
  readonly lapsing: string

  marksOf(key: Key): string {
    return this.marks + keyText(key)
  }
}

/** The names of all keys of a storage. Those of a bot are created once. */
export class Keys {
  private readonly bots = new Map<number, BotKeys>()
  /** The channel on which changes are published. */
  readonly channel: string

  constructor(readonly prefix: string) {
    if (!PREFIX.test(prefix)) {
      throw new SentinelError(
        'option.invalid',
        `redis.prefix: ${JSON.stringify(prefix)} must be 1 to 64 letters, digits, dots, colons, dashes or underscores.`,
      )
    }
    this.channel = `${prefix}:changes`
  }

  of(bot: number): BotKeys {
    let keys = this.bots.get(bot)
    if (keys === undefined) {
      keys = new BotKeys(this.prefix, bot)
      this.bots.set(bot, keys)
    }
    return keys
  }
}
