import type { Client, ClientConfig } from 'pg'
import type { Ms } from '../../core/duration.js'

/**
 * pg has no method for this. Its pool does the same when a connection takes too long to open. Clients of pg-native have no stream;
 * they are no longer waited for.
 */
type Breakable = Client & { readonly connection?: { readonly stream: { destroy(): void } } }

/** Opens a connection, for no longer than this: pg itself would wait for a server that accepts and does not answer without end. */
export async function connectWithin(within: Ms, client: Client): Promise<void> {
  const timer = setTimeout(() => (client as Breakable).connection?.stream.destroy(), within)
  timer.unref()
  try {
    await client.connect()
  } finally {
    clearTimeout(timer)
  }
}

/** The open connections to a server, which can be broken off when the server no longer answers. */
export class Connections {
  private readonly open = new Set<Client>()
  private emptied: (() => void) | undefined

  /** Returns pg's class of clients, with this list of those that are open. */
  counting(Base: typeof Client): typeof Client {
    const add = (client: Client): void => {
      this.open.add(client)
      client.once('end', () => this.remove(client))
    }
    return class extends Base {
      constructor(config?: string | ClientConfig) {
        super(config)
        add(this)
      }
    }
  }

  /** Resolves when all are closed; they must have been told to close. Those that are open for longer than this are broken off. */
  async closed(within: Ms): Promise<void> {
    if (this.open.size === 0) return
    const timer = setTimeout(() => {
      for (const client of this.open) {
        const { connection } = client as Breakable
        if (connection === undefined) this.remove(client)
        else connection.stream.destroy()
      }
    }, within)
    await new Promise<void>((resolve) => {
      this.emptied = resolve
    })
    clearTimeout(timer)
  }

  private remove(client: Client): void {
    this.open.delete(client)
    if (this.open.size === 0) this.emptied?.()
  }
}
