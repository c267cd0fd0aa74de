/** Bursts of replaced options, some of which still wait or run. */
export interface EarlierBursts {
  /** Whether anything of a key waits or runs. */
  has(key: string): boolean
  /** Fulfilled as soon as nothing of a key waits or runs. */
  ended(key: string): Promise<void>
  /**
   * Drops everything that waits for its turn, with all timers. Running handlers are no longer waited for: later messages pass
   * directly.
   */
  drop(): void
}
