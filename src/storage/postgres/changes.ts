import { randomUUID } from 'node:crypto'
import { SentinelError, type SentinelErrorCode } from '../../core/errors.js'
import { type Key, keyText } from '../../core/subject.js'
import type { ChangeListener, StorageChange } from '../contract/changes.js'
import { canonicalKey } from '../contract/keys.js'
import { Listeners } from '../contract/listeners.js'
import type { Link, Listening } from './link.js'

/** The server accepts payloads below 8,000 bytes. */
const MOST_BYTES = 7500
/** Payloads by which a worker finds out whether it hears anything begin with this. Others ignore them. */
const ECHO = 'echo '
/** How long it may take to send such a payload, and then to hear it. */
const ECHO_WITHIN = 5000
const FIRST_WAIT = 100
const LONGEST_WAIT = 30_000
/** Once a connection could not be made again for this long, the listeners are told that they receive nothing. */
const LOST_AFTER = 1000
/** How often the server is asked whether it still answers on the connection; it must have done so by the next time. */
const HEARTBEAT = 5000

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
function readPayload(payload: string): StorageChange {
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

/**
 * Receives changes on a connection of its own while there are listeners. If the connection is lost, or the server does not answer
 * on it within five to ten seconds, it is made anew. If that fails for a second, the listeners are told that they receive nothing.
 */
export class Changes {
  private readonly listeners = new Listeners<StorageChange>()
  private connection: Listening | undefined
  private starting: Promise<void> | undefined
  /** Counts attempts to listen and releases: an attempt that is no longer the latest must not keep its connection. */
  private attempt = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  /** Runs while the connection is listening. */
  private beat: ReturnType<typeof setInterval> | undefined
  private wait = FIRST_WAIT
  private closed = false
  /** The connection was lost and is not back: since when, and whether the listeners were told so. */
  private missed = false
  private lostAt = 0
  private isLossTold = false
  /** The payload that must arrive before the connection counts as listening, and what to do then. */
  private echo: Echo | undefined

  constructor(
    private readonly link: Link,
    private readonly onError: (error: unknown) => void,
  ) {}

  async watch(listener: ChangeListener): Promise<() => void> {
    const stop = this.listeners.add(listener)
    this.starting ??= this.listen()
    const { starting } = this
    try {
      await starting
    } catch (error) {
      stop()
      if (!this.listeners.any) this.release()
      // Another attempt may have begun meanwhile.
      else if (this.starting === starting) this.starting = undefined
      throw error
    }
    return () => {
      stop()
      if (!this.listeners.any) this.release()
    }
  }

  /** Makes the connection anew: the storage writes to another server now, which this connection may not hear. */
  renew(): void {
    // An attempt that is under way finds that out.
    if (this.echo !== undefined) return
    this.wait = FIRST_WAIT
    this.lost(undefined)
  }

  close(): void {
    this.closed = true
    this.listeners.clear()
    this.release()
  }

  private async listen(): Promise<void> {
    this.drop()
    const attempt = ++this.attempt
    const echo = new Echo()
    this.echo = echo
    const opening = this.link.listening()
    let connection: Listening | undefined
    try {
      // A server may accept the connection and not answer, so the time of the echo includes the opening.
      connection = (await Promise.race([opening, echo.heard])) ?? undefined
    } finally {
      if (connection === undefined || attempt !== this.attempt) {
        echo.end()
        if (this.echo === echo) this.echo = undefined
        opening.then(({ close }) => close(), ignore)
      }
    }
    if (connection === undefined || attempt !== this.attempt) return this.starting
    const { client } = connection
    client.on('notification', this.hear)
    // A connection that was dropped may still report errors, which must not end its successor.
    const lost = (error?: unknown): void => {
      if (this.connection === connection) this.lost(error)
    }
    client.on('error', lost)
    client.on('end', lost)
    this.connection = connection
    try {
      await Promise.race([client.query(`LISTEN "${channelOf(this.link.schema)}"`), echo.heard])
      await Promise.all([echo.isOver ? undefined : this.send(echo), echo.heard])
    } catch (error) {
      if (attempt !== this.attempt) return this.starting
      this.drop()
      throw this.link.failure(error)
    } finally {
      echo.end()
      if (this.echo === echo) this.echo = undefined
    }
    if (attempt !== this.attempt) return this.starting
    clearTimeout(this.timer)
    this.keepAsking(client)
    if (!this.listeners.any) this.release()
    this.wait = FIRST_WAIT
    if (!this.missed) return
    this.missed = false
    this.isLossTold = false
    // Changes during the interruption were missed.
    this.tell({ kind: 'gap' })
  }

  /** Sends the payload over another connection: this one would be answered even where it hears nothing of others. */
  private async send(echo: Echo): Promise<void> {
    await this.link.query('SELECT pg_notify($1, $2)', [channelOf(this.link.schema), echo.payload])
    echo.wait(
      'storage.unsupported',
      'LISTEN receives nothing on this connection, as behind PgBouncer in transaction mode. Pass a direct connection as option "listen".',
    )
  }

  /** A connection on which no packets arrive any longer looks like one on which nothing changes. */
  private keepAsking(client: Listening['client']): void {
    let isAnswered = true
    this.beat = setInterval(() => {
      if (!isAnswered) {
        this.lost(undefined)
        return
      }
      isAnswered = false
      client.query('SELECT 1').then(
        () => {
          isAnswered = true
        },
        // If it fails, the connection has ended, and that is handled there, or it is made anew next time.
        ignore,
      )
    }, HEARTBEAT)
    this.beat.unref()
  }

  private readonly hear = ({ payload = '' }: { payload?: string | undefined }): void => {
    if (payload === this.echo?.payload) this.echo.end()
    else if (!payload.startsWith(ECHO)) this.tell(readPayload(payload))
  }

  private lost(error: unknown): void {
    // Whoever waits for this connection to listen tries again, or reports the failure.
    if (this.echo !== undefined) {
      this.echo.end(this.link.failure(error ?? new Error('Connection terminated')))
      return
    }
    this.drop()
    if (this.closed || !this.listeners.any) return
    if (!this.missed) this.lostAt = performance.now()
    this.missed = true
    this.again()
  }

  private again(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.starting = this.listen()
      this.starting.catch((error: unknown) => {
        if (this.closed || !this.missed) return
        this.onError(error)
        this.again()
        if (this.isLossTold || performance.now() - this.lostAt < LOST_AFTER) return
        this.isLossTold = true
        this.tell({ kind: 'gap', lost: this.link.failure(error) })
      })
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
    this.attempt++
    clearTimeout(this.timer)
    this.starting = undefined
    this.missed = false
    this.isLossTold = false
    this.drop()
  }

  /** Closes the connection rather than returning it to the pool, because it is subscribed. */
  private drop(): void {
    this.echo?.end()
    clearInterval(this.beat)
    const { connection } = this
    this.connection = undefined
    if (connection === undefined) return
    connection.client.off('notification', this.hear)
    connection.close()
  }
}

function ignore(): void {}

/** A payload that must arrive before a connection counts as listening: through a pooler of transactions LISTEN succeeds as well. */
class Echo {
  readonly payload = `${ECHO}${randomUUID()}`
  isOver = false
  /** Resolves when the payload was heard. Rejects if it took too long. */
  readonly heard: Promise<void>
  private timer: ReturnType<typeof setTimeout> | undefined
  private settle: ((error?: Error) => void) | undefined

  constructor() {
    this.heard = new Promise((resolve, reject) => {
      this.settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    // It may fail while nobody waits for it yet.
    this.heard.catch(() => undefined)
    this.wait('storage.unavailable', 'LISTEN did not begin to receive NOTIFY within five seconds.')
  }

  /** Waits from now on, to fail with this error. */
  wait(code: SentinelErrorCode, message: string): void {
    clearTimeout(this.timer)
    if (this.isOver) return
    this.timer = setTimeout(() => this.end(new SentinelError(code, `postgres: ${message}`)), ECHO_WITHIN)
    this.timer.unref()
  }

  end(error?: Error): void {
    this.isOver = true
    clearTimeout(this.timer)
    this.settle?.(error)
  }
}
