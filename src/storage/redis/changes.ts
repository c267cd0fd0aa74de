import type { Redis } from 'ioredis'
import { type Key, keyText, textKey } from '../../core/subject.js'
import { type ChangeListener, ChangeListeners, type StorageChange } from '../changes.js'
import type { Connection } from './connection.js'

/** Marks put on more subjects than this at once are told as a gap: to read all again costs less. */
const MOST_TOLD = 500
const CONNECT_AGAIN = 100
const HEARTBEAT = 1000

/** What is told of marks that were put or taken away. */
export function tellMarks(bot: number, name: string, subjects: readonly { readonly text: string }[]): string {
  const texts = subjects.slice(0, MOST_TOLD).map(({ text }) => text)
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
 * or that answers no ping within two seconds, is made anew, and all are told that they may have missed something.
 */
export class Changes {
  private readonly listeners = new ChangeListeners()
  private client: Redis | undefined
  private starting: Promise<void> | undefined
  private beat: NodeJS.Timeout | undefined
  private again: NodeJS.Timeout | undefined
  private answered = true
  private closed = false

  constructor(
    private readonly connection: Connection,
    private readonly channel: string,
  ) {}

  async watch(listener: ChangeListener): Promise<() => void> {
    const remove = this.listeners.add(listener)
    this.starting ??= this.listen()
    try {
      await this.starting
    } catch (error) {
      remove()
      if (!this.listeners.any) this.stop()
      throw error
    }
    return () => {
      remove()
      if (!this.listeners.any) this.stop()
    }
  }

  close(): void {
    this.closed = true
    this.listeners.clear()
    this.stop()
  }

  private async listen(): Promise<void> {
    const client = this.connection.listener()
    this.client = client
    client.on('message', (_: string, message: string) => this.listeners.tell(heard(message)))
    // Its end is what tells of it.
    client.on('error', () => undefined)
    client.on('end', () => this.lost(client))
    await client.connect()
    await client.subscribe(this.channel)
    this.answered = true
    this.beat = setInterval(() => this.ping(client), HEARTBEAT)
    this.beat.unref()
  }

  private ping(client: Redis): void {
    if (!this.answered) {
      client.disconnect()
      return
    }
    this.answered = false
    client.ping().then(
      () => {
        this.answered = true
      },
      // The end of the connection tells the rest.
      () => undefined,
    )
  }

  private lost(client: Redis): void {
    if (client !== this.client) return
    clearInterval(this.beat)
    this.client = undefined
    if (this.closed || !this.listeners.any) return
    this.again = setTimeout(() => {
      this.starting = this.listen()
      this.starting.then(
        () => this.listeners.tell({ kind: 'gap' }),
        () => {
          const failed = this.client
          failed?.disconnect()
          if (failed === undefined || failed.status === 'end') this.lostAgain()
        },
      )
    }, CONNECT_AGAIN)
    this.again.unref()
  }

  private lostAgain(): void {
    if (this.client !== undefined) this.lost(this.client)
  }

  private stop(): void {
    clearInterval(this.beat)
    clearTimeout(this.again)
    const { client } = this
    this.client = undefined
    this.starting = undefined
    client?.disconnect()
  }
}
