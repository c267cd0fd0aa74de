import type { PoolClient } from 'pg'
import { type Key, keyText } from '../../core/subject.js'
import { type ChangeListener, ChangeListeners, type StorageChange } from '../changes.js'
import { canonicalKey } from './keys.js'
import type { Link } from './link.js'

/** The server accepts payloads below 8,000 bytes. */
const MOST_BYTES = 7500
const FIRST_WAIT = 100
const LONGEST_WAIT = 30_000

export const channelOf = (schema: string): string => `grammy_sentinel:${schema}`

/** Returns the payloads that report marks put or removed; several if there are many keys. */
export function marksPayloads(bot: number, name: string, keys: readonly Key[]): string[] {
  const payloads: string[] = []
  let part: string[] = []
  const size = Buffer.byteLength(JSON.stringify({ bot, name }))
  let bytes = size
  const flush = (): void => {
    if (part.length > 0) payloads.push(JSON.stringify({ bot, name, keys: part }))
    part = []
    bytes = size
  }
  for (const key of keys) {
    const text = keyText(key)
    const more = Buffer.byteLength(JSON.stringify(text)) + 1
    if (bytes + more > MOST_BYTES) flush()
    part.push(text)
    bytes += more
  }
  flush()
  return payloads
}

export function resetPayload(bot: number, key: Key, slot: string | undefined): string {
  return JSON.stringify({ bot, reset: keyText(key), ...(slot !== undefined && { slot }) })
}

/** Returns the change reported by a payload, or a gap if it cannot be read, since a change was then missed. */
export function readPayload(payload: string): StorageChange {
  try {
    const told = JSON.parse(payload) as {
      bot: number
      name?: string
      keys?: string[]
      reset?: string
      slot?: string
    }
    const { bot } = told
    if (typeof told.reset === 'string') {
      const key = canonicalKey(told.reset)
      return { kind: 'reset', bot, key, ...(told.slot !== undefined && { slot: told.slot }) }
    }
    if (typeof told.name === 'string' && Array.isArray(told.keys)) {
      return { kind: 'marks', bot, name: told.name, keys: told.keys.map(canonicalKey) }
    }
  } catch {
    // Reported as a gap below, so that remembered state is read again.
  }
  return { kind: 'gap' }
}

/** Receives changes on a connection of its own while there are listeners, and reconnects if it is lost. */
export class Changes {
  private readonly listeners = new ChangeListeners()
  private client: PoolClient | undefined
  private starting: Promise<void> | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private wait = FIRST_WAIT
  private closed = false

  constructor(
    private readonly link: Link,
    private readonly onError: (error: unknown) => void,
  ) {}

  async watch(listener: ChangeListener): Promise<() => void> {
    const stop = this.listeners.add(listener)
    try {
      this.starting ??= this.listen()
      await this.starting
    } catch (error) {
      this.starting = undefined
      stop()
      throw error
    }
    return () => {
      stop()
      if (!this.listeners.any) this.release()
    }
  }

  close(): void {
    this.closed = true
    this.listeners.clear()
    this.release()
  }

  private async listen(): Promise<void> {
    const client = await this.link.connect()
    client.on('notification', this.hear)
    client.on('error', this.lost)
    client.on('end', this.lost)
    this.client = client
    try {
      await client.query(`LISTEN "${channelOf(this.link.schema)}"`)
    } catch (error) {
      this.drop()
      throw this.link.failure(error)
    }
    // The storage was closed, or the last listener removed, meanwhile.
    if (this.closed) this.release()
    this.wait = FIRST_WAIT
  }

  private readonly hear = ({ payload = '' }: { payload?: string | undefined }): void => {
    this.tell(readPayload(payload))
  }

  private readonly lost = (): void => {
    if (this.client === undefined) return
    this.drop()
    if (this.closed || !this.listeners.any) return
    this.again()
  }

  private again(): void {
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.starting = this.listen()
      this.starting.then(
        // Changes during the interruption were missed.
        () => this.tell({ kind: 'gap' }),
        (error: unknown) => {
          if (this.closed || !this.listeners.any) return
          this.onError(error)
          this.again()
        },
      )
    }, this.wait)
    // The timer does not keep the process alive.
    this.timer.unref()
    this.wait = Math.min(LONGEST_WAIT, this.wait * 2)
  }

  private tell(change: StorageChange): void {
    try {
      this.listeners.tell(change)
    } catch (error) {
      this.onError(error)
    }
  }

  private release(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.starting = undefined
    this.drop()
  }

  /** Closes the connection rather than returning it to the pool, because it is subscribed. */
  private drop(): void {
    const { client } = this
    this.client = undefined
    if (client === undefined) return
    client.off('notification', this.hear)
    client.off('end', this.lost)
    client.release(true)
  }
}
