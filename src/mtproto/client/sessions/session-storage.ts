import type { ITelegramStorageProvider } from '@mtcute/core'
import { pagesOf } from '../../../storage/contract/pages.js'
import type { Storage } from '../../../storage/contract/storage.js'
import type { Values } from '../../../storage/contract/values.js'
import { Sealing } from './sealing.js'

type Peer = Parameters<ITelegramStorageProvider['peers']['store']>[0]

/** A peer as stored in JSON. */
type KeptPeer = Omit<Peer, 'complete'> & { readonly complete: string }

/** A secret as stored, and the time until which it is valid. */
interface Sealed {
  readonly sealed: string
  readonly until?: number
}

/** Prefix of peers, which are stored by id; names and phone numbers point to ids. */
const PEER = 'peer'

/** Stores an mtcute session in a storage of this package: secrets are encrypted, all else is plain JSON. */
export class SessionStorage implements ITelegramStorageProvider {
  readonly driver = {}
  readonly kv: ITelegramStorageProvider['kv']
  readonly authKeys: ITelegramStorageProvider['authKeys']
  readonly peers: ITelegramStorageProvider['peers']
  readonly refMessages: ITelegramStorageProvider['refMessages']
  readonly #values: Values
  /** The space in `storage.values` that holds this session. */
  readonly space: string
  readonly #sealing: Sealing

  constructor(storage: Storage, name: string, keys: readonly Buffer[]) {
    this.#values = storage.values
    this.space = `mtproto.${name}`
    this.#sealing = new Sealing(keys)
    this.kv = {
      set: (key, value) => this.#seal(`kv:${key}`, value),
      get: (key) => this.#open(`kv:${key}`),
      delete: (key) => this.#remove(`kv:${key}`),
      deleteAll: () => this.#removeAll('kv:'),
    }
    this.authKeys = {
      set: (dc, key) => (key === null ? this.#remove(`auth:${dc}`) : this.#seal(`auth:${dc}`, key)),
      get: (dc) => this.#open(`auth:${dc}`),
      setTemp: (dc, index, key, expires) => {
        const name = `temp:${dc}:${index}`
        return key === null ? this.#remove(name) : this.#seal(name, key, expires)
      },
      getTemp: (dc, index, now) => this.#open(`temp:${dc}:${index}`, now),
      deleteByDc: async (dc) => {
        await this.#remove(`auth:${dc}`)
        await this.#removeAll(`temp:${dc}:`)
      },
      deleteAll: async () => {
        await this.#removeAll('auth:')
        await this.#removeAll('temp:')
      },
    }
    this.peers = {
      store: (peer) => this.#storePeer(peer),
      getById: (id) => this.#peer(id),
      getByUsername: (username) => {
        const name = username.toLowerCase()
        const isTheirs = ({ usernames }: Peer) => usernames.some((each) => each.toLowerCase() === name)
        return this.#peerBy(`name:${name}`, isTheirs)
      },
      getByPhone: (phone) => this.#peerBy(`phone:${phone}`, (peer) => peer.phone === phone),
      deleteAll: async () => {
        for (const prefix of [`${PEER}:`, 'name:', 'phone:']) await this.#removeAll(prefix)
      },
    }
    this.refMessages = {
      store: (peer, chat, message) => this.#put(`ref:${peer}`, [chat, message]),
      getByPeer: async (peer) => ((await this.#get(`ref:${peer}`)) as [number, number] | undefined) ?? null,
      delete: (chat, messages) => this.#forgetReferences(chat, messages),
      deleteByPeer: (peer) => this.#remove(`ref:${peer}`),
      deleteAll: () => this.#removeAll('ref:'),
    }
  }

  /** Whether a session is stored. */
  async isThere(): Promise<boolean> {
    return (await this.#get('kv:dcs_main')) !== undefined || (await this.#keysOf('auth:')).length > 0
  }

  /** The channels with a stored update position. */
  async channels(): Promise<readonly number[]> {
    const prefix = 'kv:updates_channel:'
    return (await this.#keysOf(prefix)).map((key) => Number(key.slice(prefix.length)))
  }

  /** Deletes all stored data, for another account. */
  async clear(): Promise<void> {
    await this.#removeAll('')
  }

  /** Encrypts values again that were encrypted with an older key; returns their number. */
  async reseal(): Promise<number> {
    let count = 0
    for (const prefix of ['kv:', 'auth:', 'temp:']) {
      for (const key of await this.#keysOf(prefix)) {
        const kept = (await this.#get(key)) as Sealed | undefined
        if (kept === undefined || !this.#sealing.isStale(kept.sealed)) continue
        await this.#seal(key, this.#sealing.open(key, kept.sealed), kept.until)
        count++
      }
    }
    return count
  }

  async #storePeer({ complete, ...peer }: Peer): Promise<void> {
    const kept: KeptPeer = { ...peer, complete: Buffer.from(complete).toString('base64') }
    if (peer.isMin) {
      // In "min" peers only the id is reliable and the access hash is of limited use, so they do not replace a full peer.
      const known = await this.#peer(peer.id)
      if (known === null || known.isMin) await this.#put(`${PEER}:${peer.id}`, kept)
      return
    }
    await this.#put(`${PEER}:${peer.id}`, kept)
    for (const username of peer.usernames) await this.#put(`name:${username.toLowerCase()}`, peer.id)
    if (peer.phone !== undefined) await this.#put(`phone:${peer.phone}`, peer.id)
  }

  async #peer(id: number): Promise<Peer | null> {
    const kept = (await this.#get(`${PEER}:${id}`)) as KeptPeer | undefined
    return kept === undefined ? null : { ...kept, complete: Buffer.from(kept.complete, 'base64') }
  }

  /** Usernames and phone numbers change hands, so the peer must still have the one that was looked up. */
  async #peerBy(name: string, isTheirs: (peer: Peer) => boolean): Promise<Peer | null> {
    const id = (await this.#get(name)) as number | undefined
    const peer = id === undefined ? null : await this.#peer(id)
    return peer === null || peer.isMin || !isTheirs(peer) ? null : peer
  }

  async #forgetReferences(chat: number, messages: readonly number[]): Promise<void> {
    for (const key of await this.#keysOf('ref:')) {
      const [inChat, message] = ((await this.#get(key)) ?? []) as readonly number[]
      if (inChat === chat && messages.includes(message as number)) await this.#remove(key)
    }
  }

  async #seal(key: string, value: Uint8Array, until?: number): Promise<void> {
    const sealed = this.#sealing.seal(key, value)
    await this.#put(key, until === undefined ? { sealed } : { sealed, until })
  }

  async #open(key: string, now?: number): Promise<Uint8Array | null> {
    const kept = (await this.#get(key)) as Sealed | undefined
    if (kept === undefined || (now !== undefined && kept.until !== undefined && kept.until <= now))
      return null
    return this.#sealing.open(key, kept.sealed)
  }

  async #get(key: string): Promise<unknown> {
    return this.#values.get(this.space, key)
  }

  async #put(key: string, value: unknown): Promise<void> {
    await this.#values.put(this.space, key, value)
  }

  async #remove(key: string): Promise<void> {
    await this.#values.remove(this.space, key)
  }

  async #removeAll(prefix: string): Promise<void> {
    for (const key of await this.#keysOf(prefix)) await this.#remove(key)
  }

  async #keysOf(prefix: string): Promise<readonly string[]> {
    const keys: string[] = []
    for await (const { entries } of pagesOf((from) => this.#values.scan(this.space, from)))
      keys.push(...entries.map(({ key }) => key).filter((key) => key.startsWith(prefix)))
    return keys
  }
}
