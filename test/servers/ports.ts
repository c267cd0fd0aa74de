import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** The distance from the port of a Redis Cluster node to its bus port, by default. */
export const BUS = 10_000

/**
 * A free port on loopback, whose bus port is free, too. Both are below the ports that systems assign to clients: otherwise a client that
 * keeps trying to reach a killed server could be assigned that very port, and the server could not restart on it.
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
