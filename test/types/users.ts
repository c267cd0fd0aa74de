import { z } from 'zod'
import { type Preferences, requirePermission, sentinel } from '../../src/index.js'

const guard = sentinel()
const schema = z.object({ language: z.enum(['en', 'ru']).default('en'), size: z.number().default(1) })
const preferences: Preferences<{ language: 'en' | 'ru'; size: number }> = guard.users.preferences(schema)

await preferences.patch(7, { size: 2 })
const { language } = await preferences.get(7)
const known: 'en' | 'ru' = language
console.log(known)
// @ts-expect-error: no such language
await preferences.patch(7, { language: 'de' })
// @ts-expect-error: all of them are set
await preferences.set(7, { size: 2 })
// @ts-expect-error: no such preference
await preferences.patch(7, { colour: 'red' })
// @ts-expect-error: preferences are an object
guard.users.preferences(z.string())
// @ts-expect-error: each has its own span
guard.users.sessions<{ items: number }>({ ttl: ({ things }) => (things > 0 ? '1d' : '1h') })
guard.users.sessions<{ items: number }>({ ttl: ({ items }) => (items > 0 ? '1d' : undefined) })
// @ts-expect-error: whose a value is is told in one way
guard.users.include('drafts', {})
// @ts-expect-error: a permission is a text
requirePermission(7)
// @ts-expect-error: a chat is named by its id
await guard.grant(7, 'admin', { chat: 'plaza' })
const answer: boolean = await guard.can(7, 'orders.refund', { chat: -100 })
console.log(answer)
