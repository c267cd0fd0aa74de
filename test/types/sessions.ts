import { type Enhance, enhanceStorage, type SessionOptions, type StorageAdapter } from 'grammy'
import { type SessionStorage, sentinel, sessionsOver } from '../../src/index.js'

interface Cart {
  items: string[]
}

const { storage } = sentinel()
const carts: SessionStorage<Cart> = storage.sessions<Cart>({ ttl: '30d' })

// Whatever takes one of grammY's takes ours.
export const adapter: StorageAdapter<Cart> = carts
export const options: SessionOptions<Cart> = { initial: () => ({ items: [] }), storage: storage.sessions() }
export const text: StorageAdapter<string> = sessionsOver(storage.values)
// @ts-expect-error: carts are no texts
export const wrong: StorageAdapter<string> = carts
// @ts-expect-error: a time to live is a duration
storage.sessions({ ttl: 'soon' })
// Migrations and time-outs of grammY's own go around it.
export const enhanced: StorageAdapter<Cart> = enhanceStorage({
  storage: storage.sessions<Enhance<Cart>>(),
  millisecondsToLive: 1000,
})
