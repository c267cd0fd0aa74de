import { DataCentres } from '../../src/telegram/mtproto/data-centres.js'
import { LIMITS, type Limits, MtprotoServer } from '../../src/telegram/mtproto/server.js'
import { createClock } from '../../src/telegram/world/clock.js'
import { World } from '../../src/telegram/world/world.js'
import { RawClient, type Speech } from './raw-client.js'

// What tests of the server's own protocol begin with: a server of MTProto with nobody around it.

export let world: World
export let server: MtprotoServer
/** A client with a key, in files that call onClient(). */
export let client: RawClient

const open: { close(): void }[] = []

/** Starts a server, for files that call closeBehind(). */
export async function serve(limits: Partial<Limits> = {}): Promise<void> {
  world = new World(createClock('real'))
  server = new MtprotoServer(world, 2, new DataCentres(world), { ...LIMITS, ...limits })
  await server.listen()
}

/** Closes clients that were made here, and then the server, behind each test. */
export function closeBehind(): void {
  afterEach(async () => {
    for (const each of open.splice(0)) each.close()
    await server.close()
  })
}

/** A new server for each test. */
export function onServer(): void {
  beforeEach(() => serve())
  closeBehind()
}

/** A new server for each test, and a client with a key. */
export function onClient(): void {
  onServer()
  beforeEach(async () => {
    client = await known()
  })
}

/** Closes it behind the test. */
export function kept<T extends { close(): void }>(made: T): T {
  open.push(made)
  return made
}

/** A client without a key. */
export async function stranger(speech?: Speech): Promise<RawClient> {
  return kept(await RawClient.connect(server.port, speech))
}

/** A client with a key; with a temporary one if it expires. */
export async function known(speech?: Speech, key: { readonly expiresIn?: number } = {}): Promise<RawClient> {
  const made = await stranger(speech)
  await made.shakeHands(server.key.pem, key)
  return made
}
