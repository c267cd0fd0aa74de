import { setMaxListeners } from 'node:events'
import type { tl } from '@mtcute/core'
import { quietTimers, systemClock, systemTimers } from '../../core/clock.js'
import type { Ms } from '../../core/duration.js'
import { SentinelError } from '../../core/errors.js'
import { endsWithin } from '../../core/in-time.js'
import { errorText } from '../../core/redact.js'
import type { Storage } from '../../storage/contract/storage.js'
import { memory } from '../../storage/memory/memory.js'
import { missingPackages } from '../protocol/missing-packages.js'
import { Caller } from './calls/caller.js'
import { FloodControl } from './calls/flood.js'
import type { Names } from './calls/names.js'
import { permissionsWith } from './calls/permissions.js'
import { Traffic } from './calls/traffic.js'
import { untilAborted } from './calls/until-aborted.js'
import { closed } from './calls-after-close.js'
import type { Opened } from './mtcute.js'
import type { ReadOptions } from './options.js'
import type { SessionLease } from './sessions/session-lease.js'
import type { SessionStorage } from './sessions/session-storage.js'
import type { Bridging } from './updates/bridging.js'
import { GapRetries } from './updates/gap-retries.js'
import { Gaps } from './updates/gaps.js'

/** How long to wait for the lease of a process that was killed; a little more than the lease lasts. */
const LEASE_PATIENCE: Ms = 40_000
/** How long close() waits for an unresponsive server or storage, and for running handlers, which have ten seconds. */
const PART_PATIENCE: Ms = 5_000
const DRAIN_PATIENCE: Ms = 15_000

/** The parts that exist while connected. */
interface Running {
  readonly opened: Opened
  readonly bridging: Bridging
  readonly storage: SessionStorage
}

/** A listener of errors. */
type Failed = (error: unknown) => void

/** The lifecycle of a client: taking the session and its lease, connecting, closing. */
export class Connection {
  readonly traffic = new Traffic()
  readonly flood: FloodControl
  readonly gaps: Gaps
  readonly failures = new Set<Failed>()
  running: Running | undefined
  names: Names | undefined
  /** An imported session string, which replaces the stored session. */
  imported: string | undefined
  readonly #storage: Storage
  readonly #retries: GapRetries
  /** Aborted when the client is closed for good, to end all waits. */
  readonly #ending = new AbortController()
  #opening: Promise<Caller> | undefined
  /** Storage work that precedes the connection. */
  #preparing: Promise<void> | undefined
  #lease: SessionLease | undefined
  #closing: Promise<void> | undefined

  constructor(
    readonly options: ReadOptions,
    private readonly closeFiles: () => Promise<void>,
  ) {
    this.#storage = options.storage ?? memory()
    // Every lookup in progress listens to this signal, and Node.js 20 warns of more than ten listeners.
    setMaxListeners(Number.POSITIVE_INFINITY, this.#ending.signal)
    const { patience, onWait } = options
    this.flood = new FloodControl({
      patience,
      onWait: (wait) => {
        try {
          onWait?.(wait)
        } catch (error) {
          this.failed(error)
        }
        for (const watch of this.traffic.watches) watch.wait?.(wait)
      },
      now: systemClock,
      timers: quietTimers,
    })
    this.#retries = new GapRetries({
      timers: quietTimers,
      readyIn: (method) => this.flood.readyIn(method),
      again: (boxes) => this.running?.bridging.askAgain(boxes),
      failed: (error) => this.failed(error),
    })
    const onTooLong = () => {
      this.traffic.tooLong++
      this.running?.bridging.accountTooLong()
    }
    this.gaps = new Gaps(systemClock, onTooLong, this.#retries)
    this.gaps.onRecovered = (ms, of) => {
      for (const watch of this.traffic.watches) watch.recovered?.({ of, ms })
    }
  }

  /** Whether a connection was already requested. */
  get isUsed(): boolean {
    return this.#opening !== undefined
  }

  /**
   * Returns the caller, connecting if necessary. During close() running handlers still get it; after that it rejects. A signal
   * ends the wait for the connection, and lookups by the caller; other calls that wait for the same ones still get them. With a
   * signal that is already aborted, nothing connects.
   */
  async caller(signal?: AbortSignal): Promise<Caller> {
    signal?.throwIfAborted()
    const opening = this.#caller()
    return signal === undefined ? opening : (await untilAborted(opening, signal)).until(signal)
  }

  #caller(): Promise<Caller> {
    if (this.#ending.signal.aborted || (this.#closing !== undefined && this.#opening === undefined)) {
      return Promise.reject(closed())
    }
    this.#opening ??= untilAborted(this.#open(), this.#ending.signal).catch((error: unknown) => {
      // The next call may try again.
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  /** Like `caller()`, for work that outlasts a call; rejects as soon as close() was called. */
  async lasting(signal?: AbortSignal): Promise<{ readonly caller: Caller; readonly running: Running }> {
    if (this.#closing !== undefined) throw closed()
    const caller = await this.caller(signal)
    return { caller, running: this.running as Running }
  }

  /** Stores whose session this is, unless that is already known. */
  async rememberSelf(me: tl.RawUser): Promise<void> {
    const { opened } = this.running ?? {}
    if (opened === undefined || (await opened.base.storage.self.fetch()) !== null) return
    await (await import('./mtcute.js')).loggedIn(opened, me)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Reports an error to all listeners; one that throws is reported on the console and does not affect the others. */
  failed(error: unknown): void {
    for (const listener of [...this.failures]) {
      try {
        listener(error)
      } catch (thrown) {
        console.error(`grammy-sentinel: a listener of mtproto's onError() failed. ${errorText(thrown)}`)
      }
    }
  }

  /** Another process has taken the session: cuts off calls in progress, and stores nothing more about them. */
  #lost(error: SentinelError): void {
    this.running?.bridging.abandon()
    this.#end()
    this.failed(error)
    this.close().catch((failure: unknown) => this.failed(failure))
  }

  #end(): void {
    this.#ending.abort(closed())
    this.flood.close()
  }

  async #close(): Promise<void> {
    const { running } = this
    this.#retries.close()
    if (running !== undefined && !this.#ending.signal.aborted) {
      // No new updates arrive; those that arrived are handled and stored.
      running.bridging.freeze()
      await running.opened.client.stopUpdatesLoop()
      await this.#part('updates in progress', running.bridging.end(), DRAIN_PATIENCE)
    }
    this.#end()
    await this.#part('the connection', running?.opened.client.destroy())
    await this.#part('CDN data centres', this.closeFiles())
    // Must finish before the lease ends: another process may then write the session.
    await this.#part('the storage', this.#preparing)
    await this.#part('the lease of the session', this.#lease?.end())
  }

  /** Waits for one part of closing; a part that hangs or fails is reported and does not hold up the others. */
  async #part(what: string, work: Promise<unknown> | undefined, patience = PART_PATIENCE): Promise<void> {
    try {
      if (work === undefined || (await endsWithin(work, patience, systemTimers))) return
      const left = `close() has waited ${patience / 1000} s for ${what}, and goes on without`
      this.failed(new SentinelError('mtproto.session', `mtproto: ${left}.`))
    } catch (error) {
      this.failed(error)
    }
  }

  async #open(): Promise<Caller> {
    const { signal } = this.#ending
    const parts = await load()
    signal.throwIfAborted()
    const { name, encryptionKeys, botToken, session, apiId, apiHash, namesPerDay, permissions } = this.options
    try {
      await this.#takeSession(parts.SessionLease)
      // The lease taken meanwhile is released in the catch block; nothing is read or written from here on.
      signal.throwIfAborted()
      const lease = this.#lease
      const isOurs = () => lease?.isHeld() ?? true
      const storage = new parts.SessionStorage(this.#storage, name, encryptionKeys)
      const bridging = new parts.Bridging({
        storage,
        clock: systemClock,
        failed: (error) => this.failed(error),
        isOurs,
      })
      const reads = new parts.OpeningReads()
      const names = new parts.Names({
        values: this.#storage.values,
        space: storage.space,
        peers: storage.peers,
        clock: systemClock,
        perDay: namesPerDay,
      })
      this.names = names
      const opened = parts.newClient({
        options: this.options,
        onTold: (told) => names.saw(told),
        storage: reads.of(bridging.storage),
        flood: this.flood,
        traffic: this.traffic,
        gaps: this.gaps,
        onError: (error) => this.failed(error),
        isOurs,
        onTooLong: (channel, newest) => {
          this.traffic.tooLong++
          bridging.channelTooLong(channel, newest)
        },
      })
      const { client } = opened
      this.running = { opened, bridging, storage }
      const prepare = async () => {
        await storage.reseal()
        const given = this.imported ?? ((await storage.isThere()) ? undefined : session)
        if (given !== undefined) await parts.importSession(opened, storage, given, this.options)
        this.imported = undefined
      }
      this.#preparing = reads.during(prepare())
      await this.#preparing
      signal.throwIfAborted()
      await reads.during(
        botToken === undefined ? client.connect() : parts.logInBot(opened, botToken, apiId, apiHash),
      )
      reads.end()
      signal.throwIfAborted()
      return new Caller(client, names, permissionsWith(permissions), [signal])
    } catch (error) {
      const { running } = this
      this.running = undefined
      this.#preparing = undefined
      // Once more even if close() has already destroyed it: mtcute may have connected since.
      if (signal.aborted) await this.#part('the connection', running?.opened.base.disconnect())
      await this.#part('the connection', running?.opened.client.destroy())
      await this.#part('the lease of the session', this.#lease?.end())
      throw error
    }
  }

  async #takeSession(Lease: typeof SessionLease): Promise<void> {
    // Without a `storage` option the session is in our own memory, which no other process can use.
    if (this.options.storage === undefined) return
    this.#lease = new Lease(this.#storage, this.options.name, {
      clock: systemClock,
      timers: quietTimers,
      onLost: (error) => this.#lost(error),
    })
    await this.#lease.take(LEASE_PATIENCE)
  }
}

async function load() {
  try {
    // mtcute must be loaded first: modules loaded in parallel would each start loading it.
    const { newClient, logInBot } = await import('./mtcute.js')
    await (await import('../protocol/ige.js')).loadIge()
    const { SessionStorage } = await import('./sessions/session-storage.js')
    const { OpeningReads } = await import('./sessions/opening-reads.js')
    const { SessionLease } = await import('./sessions/session-lease.js')
    const { Bridging } = await import('./updates/bridging.js')
    const { importSession } = await import('./sessions/session-moves.js')
    const { Names } = await import('./calls/names.js')
    return { newClient, logInBot, SessionStorage, OpeningReads, SessionLease, Bridging, importSession, Names }
  } catch (cause) {
    throw missingPackages(cause)
  }
}
