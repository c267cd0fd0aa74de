import { type Enhance, enhanceStorage, type SessionOptions, type StorageAdapter } from 'grammy'
import { type SessionStorage, sentinel, sessionsOver } from '../../src/index.js'

interface Cart {
  items: string[]
}

const { storage } = sentinel()
const carts: SessionStorage<Cart> = storage.sessions<Cart>({ ttl: '30d' })

// The storage is accepted wherever an adapter of grammY is.
export const adapter: StorageAdapter<Cart> = carts
export const options: SessionOptions<Cart> = { initial: () => ({ items: [] }), storage: storage.sessions() }
export const text: StorageAdapter<string> = sessionsOver(storage.values)
// @ts-expect-error: the values are carts, not texts
export const wrong: StorageAdapter<string> = carts
// @ts-expect-error: ttl must be a duration
storage.sessions({ ttl: 'soon' })
// Wrappers of grammY for migrations and time-outs accept it, too.
export const enhanced: StorageAdapter<Cart> = enhanceStorage({
  storage: storage.sessions<Enhance<Cart>>(),
  millisecondsToLive: 1000,
})
