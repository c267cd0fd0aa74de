import type { Redis } from 'ioredis'
import { type Key, keyText, textKey } from '../../core/subject.js'
import { type ChangeListener, ChangeListeners, type StorageChange } from '../changes.js'
import type { Connection } from './connection.js'
import { closed } from './failures.js'

const CONNECT_AGAIN = 100
const HEARTBEAT = 1000

/** What is told of marks that were put or taken away. */
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
    // Not of our making, or of a later version's: whatever it tells of is to be read again.
  }
  return { kind: 'gap' }
}

/**
 * Listens to changes for all who watch, on one connection that is there while anybody does. A connection that is lost,
 * or that answers no ping within one to two seconds, is made anew, and all are told that they may have missed something.
 */
export class Changes {
  private readonly listeners = new ChangeListeners()
  /** Connected, or about to be. */
  private client: Redis | undefined
  private starting: Promise<void> | undefined
  /** Beats while the connection is there. */
  private beat: NodeJS.Timeout | undefined
  private again: NodeJS.Timeout | undefined
  private answered = true
  private missed = false
  /** Counts beginnings, so that one which was given up does not go on. */
  private attempt = 0

  constructor(
    private readonly connection: Connection,
    private readonly channel: string,
  ) {}

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

  /** Shared by all who wait for it. */
  private begin(): Promise<void> {
    if (this.starting !== undefined) return this.starting
    const starting = this.listen(++this.attempt).catch((error) => {
      if (this.starting === starting) this.starting = undefined
      throw error
    })
    this.starting = starting
    return starting
  }

  private async listen(attempt: number): Promise<void> {
    const client = await this.connection.listener()
    if (attempt !== this.attempt) throw closed()
    this.client = client
    client.on('message', (_: string, message: string) => this.listeners.tell(heard(message)))
    client.on('error', this.connection.failed)
    client.on('end', () => this.lost(client))
    try {
      await client.connect()
      await client.subscribe(this.channel)
      if (attempt !== this.attempt || client.status !== 'ready') throw closed()
    } catch (error) {
      client.disconnect()
      throw this.connection.explained(error)
    }
    this.answered = true
    this.beat = setInterval(() => this.ping(client), HEARTBEAT)
    this.beat.unref()
    if (!this.missed) return
    this.missed = false
    queueMicrotask(() => this.listeners.tell({ kind: 'gap' }))
  }

  private ping(client: Redis): void {
    if (!this.answered) {
      // A server that does not answer may not answer a QUIT either, so the connection is cut.
      this.lost(client)
      client.disconnect()
      return
    }
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
    this.beginAgain()
  }

  private beginAgain(): void {
    this.again = setTimeout(() => {
      this.begin().catch(() => {
        if (this.listeners.any) this.beginAgain()
      })
    }, CONNECT_AGAIN)
    this.again.unref()
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
    client?.disconnect()
  }
}
