import { z } from 'zod'
import { type Preferences, requirePermission, sentinel } from '../../src/index.js'

const guard = sentinel()
const schema = z.object({ language: z.enum(['en', 'ru']).default('en'), size: z.number().default(1) })
const preferences: Preferences<{ language: 'en' | 'ru'; size: number }> = guard.users.preferences(schema)

await preferences.patch(7, { size: 2 })
const { language } = await preferences.get(7)
const known: 'en' | 'ru' = language
console.log(known)
// @ts-expect-error: not one of the languages
await preferences.patch(7, { language: 'de' })
// @ts-expect-error: set() requires all preferences
await preferences.set(7, { size: 2 })
// @ts-expect-error: unknown preference
await preferences.patch(7, { colour: 'red' })
// @ts-expect-error: preferences must be an object
guard.users.preferences(z.string())
// @ts-expect-error: the session has no such field
guard.users.sessions<{ items: number }>({ ttl: ({ things }) => (things > 0 ? '1d' : '1h') })
guard.users.sessions<{ items: number }>({ ttl: ({ items }) => (items > 0 ? '1d' : undefined) })
// @ts-expect-error: keys or owns is required
guard.users.include('drafts', {})
// @ts-expect-error: a permission is a text
requirePermission(7)
// @ts-expect-error: chat must be an id
await guard.grant(7, 'admin', { chat: 'plaza' })
const answer: boolean = await guard.can(7, 'orders.refund', { chat: -100 })
console.log(answer)
