import { LIMITS, type Limits } from '../../src/telegram/mtproto/connections/limits.js'
import { DataCentre } from '../../src/telegram/mtproto/data-centre.js'
import { DataCentres } from '../../src/telegram/mtproto/data-centres.js'
import { METHODS } from '../../src/telegram/mtproto/methods/index.js'
import { Rpc } from '../../src/telegram/mtproto/rpc.js'
import { createClock } from '../../src/telegram/world/clock.js'
import { World } from '../../src/telegram/world/world.js'
import { RawClient, type Speech } from './raw-client.js'

// Set-up of tests of the MTProto server itself: a server without any users.

export let world: World
export let server: DataCentre
/** Runs the methods, and counts their calls. */
export let rpc: Rpc
/** A client with an auth key, in files that call onClient(). */
export let client: RawClient

const open: { close(): void }[] = []

/** Starts a server, for files that call closeBehind(). */
export async function serve(limits: Partial<Limits> = {}): Promise<void> {
  world = new World(createClock('real'))
  rpc = new Rpc(METHODS)
  server = new DataCentre(2, new DataCentres(world), rpc, { ...LIMITS, ...limits })
  await server.listen()
}

/** Closes the clients of a test, and then the server, after each test. */
export function closeBehind(): void {
  afterEach(async () => {
    for (const each of open.splice(0)) each.close()
    await server.close()
  })
}

/** Starts a new server before each test. */
export function onServer(): void {
  beforeEach(() => serve())
  closeBehind()
}

/** Starts a new server and a client with an auth key before each test. */
export function onClient(): void {
  onServer()
  beforeEach(async () => {
    client = await known()
  })
}

/** Closes the given object after the test. */
export function kept<T extends { close(): void }>(made: T): T {
  open.push(made)
  return made
}

/** Connects a client without an auth key. */
export async function stranger(speech?: Speech): Promise<RawClient> {
  return kept(await RawClient.connect(server.port, speech))
}

/** Connects a client with an auth key; with a temporary one if `expiresIn` is given. */
export async function known(speech?: Speech, key: { readonly expiresIn?: number } = {}): Promise<RawClient> {
  const made = await stranger(speech)
  await made.shakeHands(server.key.pem, key)
  return made
}
