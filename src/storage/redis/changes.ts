import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { quietTimers } from '../../core/clock.js'
import type { SentinelError } from '../../core/errors.js'
import { endsWithin } from '../../core/in-time.js'
import { type Key, keyText, textKey } from '../../core/subject.js'
import type { ChangeListener, StorageChange } from '../contract/changes.js'
import { Listeners } from '../contract/listeners.js'
import { type Connection, scriptOf } from './connection.js'
import { closed } from './failures.js'

/** The pause before a lost connection is made again. It doubles with each failure, up to the longest one. */
const CONNECT_AGAIN = 100
const CONNECT_AGAIN_AT_MOST = 5000
/** Once a connection could not be made again for this long, the listeners are told that they receive nothing. */
const LOST_AFTER = 1000
/** A connection that is neither made nor refused within this is given up, and another one is tried. */
const CONNECT_WITHIN = 5000
const HEARTBEAT = 1000
/** Every so many heartbeats, a message of our own must arrive. */
const PROOF = 3

/** A script, because only commands with a key go to the node that serves it, as changes do. */
const PROVE = scriptOf("return redis.call('PUBLISH', ARGV[1], ARGV[2])")

/** Returns the message for marks that were put or removed. */
export function tellMarks(bot: number, name: string, subjects: readonly { readonly text: string }[]): string {
  const texts = subjects.map(({ text }) => text)
  return JSON.stringify(['marks', bot, name, texts])
}

export function tellReset(bot: number, key: Key, slot: string | undefined): string {
  return JSON.stringify(['reset', bot, keyText(key), slot])
}

function heard(message: string): StorageChange {
  try {
    const [kind, bot, name, rest] = JSON.parse(message) as [string, number, string, unknown]
    if (kind === 'marks') return { kind, bot, name, keys: (rest as string[]).map(textKey) }
    if (kind === 'reset') {
      return { kind, bot, key: textKey(name), ...(typeof rest === 'string' && { slot: rest }) }
    }
  } catch {
    // Not written by this package, or by a later version: everything must be read again.
  }
  return { kind: 'gap' }
}

/**
 * Receives changes on one connection, which is kept while there are listeners. If the connection is lost, or a ping is not
 * answered within one to two seconds, it is made anew and the listeners are told that they may have missed changes. The same
 * happens if the server answers, but does not receive what is published where the storage writes: it may have been removed from
 * its cluster, or the name that led to it may lead to another server by now.
 *
 * The server may refuse the new connection although it serves all others: the password or the right to the channel may have been
 * changed. After a second of this the listeners are told that they receive nothing.
 */
export class Changes {
  private readonly listeners = new Listeners<StorageChange>()
  /** Connected, or connecting. */
  private client: Redis | undefined
  private starting: Promise<void> | undefined
  /** Runs while the connection is up. */
  private beat: NodeJS.Timeout | undefined
  private again: NodeJS.Timeout | undefined
  private answered = true
  private missed = false
  /** When the connection was lost, and whether the listeners were told that it does not come back. */
  private lostAt = 0
  private isLossTold = false
  private pause = CONNECT_AGAIN
  /** Numbers of the messages of our own: the last one, the last that a server has published, and the last that has arrived. */
  private proofs = 0
  private published = 0
  private arrived = 0
  /** Incremented by every attempt, so that an abandoned one does not continue. */
  private attempt = 0

  constructor(
    private readonly connection: Connection,
    private readonly channel: string,
  ) {
    connection.returned = () => this.hurry()
  }

  async watch(listener: ChangeListener): Promise<() => void> {
    const remove = this.listeners.add(listener)
    const end = (): void => {
      remove()
      if (!this.listeners.any) this.stop()
    }
    try {
      await this.begin()
    } catch (error) {
      end()
      throw error
    }
    return end
  }

  close(): void {
    this.listeners.clear()
    this.stop()
  }

  /** Connects; concurrent callers share one attempt. */
  private begin(): Promise<void> {
    if (this.starting !== undefined) return this.starting
    const starting = this.listenInTime(++this.attempt).catch((error) => {
      if (this.starting === starting) this.starting = undefined
      throw error
    })
    this.starting = starting
    return starting
  }

  private async listenInTime(attempt: number): Promise<void> {
    if (await endsWithin(this.listen(attempt), CONNECT_WITHIN, quietTimers)) return
    if (attempt === this.attempt) {
      this.attempt++
      this.client?.disconnect()
    }
    throw this.connection.explained(
      new Error('the connection that listens for changes was not ready within five seconds'),
    )
  }

  private async listen(attempt: number): Promise<void> {
    const client = await this.connection.listener()
    if (attempt !== this.attempt) throw closed()
    this.client = client
    const own = `${this.channel}:${randomUUID()}`
    client.on('message', (channel: string, message: string) => {
      if (channel === own) this.arrived = Number(message)
      else this.listeners.tell(heard(message))
    })
    client.on('error', this.connection.failed)
    client.on('end', () => this.lost(client))
    let isOwn = false
    try {
      await client.connect()
      await client.subscribe(this.channel)
      // The user may have been given the right to the other channel alone.
      isOwn = await client.subscribe(own).then(
        () => true,
        () => false,
      )
      if (attempt !== this.attempt || client.status !== 'ready') throw closed()
    } catch (error) {
      client.disconnect()
      throw this.connection.explained(error)
    }
    this.answered = true
    // What was published earlier went to an earlier connection.
    this.arrived = this.proofs
    let beats = 0
    this.beat = setInterval(() => {
      const isDue = isOwn && beats++ % PROOF === 0
      if (!this.answered || (isDue && this.published > this.arrived)) {
        // A server that does not answer may not answer a QUIT either, so the connection is cut.
        this.lost(client)
        client.disconnect()
        return
      }
      this.ping(client)
      if (isDue) this.prove(own)
    }, HEARTBEAT)
    this.beat.unref()
    if (!this.missed) return
    this.missed = false
    this.isLossTold = false
    queueMicrotask(() => this.listeners.tell({ kind: 'gap' }))
  }

  private prove(own: string): void {
    const proof = ++this.proofs
    this.connection.run(PROVE, [this.channel], [own, proof]).then(
      () => {
        this.published = proof
      },
      // While the storage cannot be written to, there are no changes that could be missed.
      () => undefined,
    )
  }

  private ping(client: Redis): void {
    this.answered = false
    client.ping().then(
      () => {
        this.answered = true
      },
      // If a ping fails, the connection ends, and that is handled there.
      () => undefined,
    )
  }

  private lost(client: Redis): void {
    // If the connection was never made, the call that waits for it reports that.
    if (client !== this.client || this.beat === undefined) return
    clearInterval(this.beat)
    this.beat = undefined
    this.client = undefined
    this.starting = undefined
    this.missed = true
    this.lostAt = performance.now()
    this.pause = CONNECT_AGAIN
    this.beginAgain()
  }

  private beginAgain(): void {
    clearTimeout(this.again)
    this.again = setTimeout(() => {
      this.begin().catch((error: SentinelError) => {
        // Nobody listens any longer, or another attempt has succeeded.
        if (!this.missed) return
        this.beginAgain()
        if (this.isLossTold || performance.now() - this.lostAt < LOST_AFTER) return
        this.isLossTold = true
        this.listeners.tell({ kind: 'gap', lost: error })
      })
    }, this.pause)
    this.again.unref()
    this.pause = Math.min(CONNECT_AGAIN_AT_MOST, this.pause * 2)
  }

  /** The server can be reached again, so the rest of a pause is not waited for. */
  private hurry(): void {
    if (!this.missed) return
    this.pause = CONNECT_AGAIN
    this.beginAgain()
  }

  private stop(): void {
    this.attempt++
    clearInterval(this.beat)
    clearTimeout(this.again)
    const { client } = this
    this.beat = undefined
    this.client = undefined
    this.starting = undefined
    this.missed = false
    this.isLossTold = false
    client?.disconnect()
  }
}
