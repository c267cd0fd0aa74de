import { SentinelError } from '../../core/errors.js'
import { type Key, keyText } from '../../core/subject.js'

/*
 * Names of keys. What belongs to a bot carries its id in braces, which is what Redis Cluster places keys by: all of a
 * chain lies on one node. What a user writes comes last and so forges nothing.
 */

const PREFIX = /^[\w.:-]{1,64}$/

/** The names of one bot's keys. */
export class BotKeys {
  readonly clock: string
  /** Records: then the scope's tag, a colon, the subject. */
  readonly record: string
  /** Marks of a subject, by name. */
  readonly marks: string
  /** Bits of sequences: then the slot's tag, a colon, the subject, a colon, the number of the chunk. */
  readonly sequence: string
  readonly user: string
  readonly users: string
  /** What the plans of all processes keep: for resets, since not every process knows every plan. */
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

  /** Who holds a mark, and when it lapses: sorted sets, by the mark's name. */
  readonly holders: string
  readonly lapsing: string

  marksOf(key: Key): string {
    return this.marks + keyText(key)
  }
}

/** Names of all keys of a storage, made once for each bot. */
export class Keys {
  private readonly bots = new Map<number, BotKeys>()
  /** Where changes are told. */
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
