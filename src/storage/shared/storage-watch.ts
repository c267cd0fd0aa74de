import { isPromise, type MaybePromise } from '../../core/check.js'
import type { SentinelError } from '../../core/errors.js'
import type { ChangeListener } from '../contract/changes.js'

/** What happens with a watch. None of these may throw. */
interface Watcher {
  /** Called with every change. */
  readonly heard: ChangeListener
  /**
   * Called when changes are reported from now on. What was read before may be outdated.
   *
   * @param lost The reason if the storage has reported meanwhile that it receives no changes.
   */
  readonly begun: (lost: SentinelError | undefined) => void
  /** Called if the storage cannot be watched. A later `start()` tries again. */
  readonly failed: (error: unknown) => void
}

/** Watches a storage within another: once, again after a failure, and not at all after the end, however late the watch begins. */
export class StorageWatch {
  /** Also while the storage has not answered yet. */
  private isWatching = false
  private isStopped = false
  private unwatch: (() => void) | undefined

  constructor(
    private readonly watch: (listener: ChangeListener) => MaybePromise<() => void>,
    private readonly watcher: Watcher,
  ) {}

  /** Watches the storage unless it is watched already. Neither throws nor rejects. */
  start(): void {
    if (this.isWatching || this.isStopped) return
    this.isWatching = true
    let lost: SentinelError | undefined
    const begun = (unwatch: () => void): void => {
      this.unwatch = unwatch
      if (this.isStopped) unwatch()
      else this.watcher.begun(lost)
    }
    const failed = (error: unknown): void => {
      this.isWatching = false
      this.watcher.failed(error)
    }
    try {
      const watching = this.watch((change) => {
        if (change.kind === 'gap') lost = change.lost
        this.watcher.heard(change)
      })
      if (isPromise(watching)) watching.then(begun, failed)
      else begun(watching)
    } catch (error) {
      failed(error)
    }
  }

  /** Stops watching for good. */
  stop(): void {
    this.isStopped = true
    this.unwatch?.()
  }
}
