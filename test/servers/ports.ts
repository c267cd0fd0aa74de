import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Redis Cluster talks to itself on another port, by default so far above. */
export const BUS = 10_000

/**
 * A free port on loopback, and its bus port. Both lie below the ports that systems hand out to clients: else a client that
 * keeps trying to reach a killed server may be given that very port, and the server could not come back to it.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const port = randomInt(10_500, 20_000)
    if ((await isFree(port)) && (await isFree(port + BUS))) return port
  }
  throw new Error('no free port between 10500 and 20000 on 127.0.0.1: end what listens there')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}
