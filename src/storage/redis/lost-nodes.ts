import type { Cluster } from 'ioredis'

/** The pause before a lost node is looked for, in milliseconds. It doubles with each attempt, up to the longest one. */
const LOOK_AGAIN = 25
const LOOK_AGAIN_AT_MOST = 1000

/**
 * Makes a cluster client connect again to nodes whose connection was lost, for example because the server closes idle ones. ioredis
 * itself removes such a node, and finds it again only when calls for its keys have failed or were redirected.
 *
 * It reads the map of the cluster again: each node in it that has no connection is then reported with `+node`. A node that has left
 * the map is not looked for any longer.
 */
export class LostNodes {
  private again: NodeJS.Timeout | undefined
  private pause = LOOK_AGAIN
  private stopped = false

  /** @param client Returns the client once there is one. */
  constructor(private readonly client: () => Cluster) {}

  /** A node has lost its connection, or the map could not be read. */
  readonly lost = (): void => {
    if (this.stopped || this.again !== undefined) return
    this.again = setTimeout(() => {
      this.again = undefined
      const client = this.client()
      // In the other states the client connects to all nodes anew by itself, or has been ended.
      if (client.status === 'ready') client.refreshSlotsCache((error) => error && this.lost())
    }, this.pause)
    this.again.unref()
    this.pause = Math.min(LOOK_AGAIN_AT_MOST, this.pause * 2)
  }

  /** A node is connected again. */
  found(): void {
    this.pause = LOOK_AGAIN
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.again)
  }
}
