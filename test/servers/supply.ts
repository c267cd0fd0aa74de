import { type RedisCluster, startCluster } from './cluster.js'
import { type PostgresServer, startPostgres } from './postgres.js'
import { type RedisServer, startRedis } from './redis.js'

/** The servers that all suites of a run can share. */
export type Ware = 'redis' | 'cluster' | 'postgres'

type Server = RedisServer | RedisCluster | PostgresServer

const START: Readonly<Record<Ware, () => Promise<Server>>> = {
  redis: startRedis,
  cluster: startCluster,
  postgres: startPostgres,
}

/** Starts each server when first asked for, and stops all of them at the end. */
export class Supply {
  readonly #started = new Map<Ware, Promise<Server>>()

  /** The URL of the server, once it answers. A failed start is not repeated: it would fail every suite slowly. */
  async urlOf(ware: Ware): Promise<string> {
    let starting = this.#started.get(ware)
    if (starting === undefined) {
      starting = START[ware]()
      this.#started.set(ware, starting)
    }
    return (await starting).url
  }

  async stop(): Promise<void> {
    const all = [...this.#started.values()]
    this.#started.clear()
    const outcomes = await Promise.allSettled(all)
    // Failed starts were reported to the callers.
    await Promise.all(
      outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.stop()] : [])),
    )
  }
}
