import type { Context } from 'grammy'
import {
  type AdaptOptions,
  definePolicy,
  type Explanation,
  type Guard,
  type LimitHolder,
  type Policy,
  type PolicyOptions,
  policy,
  sentinel,
  subject,
  throttle,
} from '../../src/index.js'
import { expectType } from './expect.js'

interface MyContext extends Context {
  readonly tenant: string
}

// Policies.
export const checkout = definePolicy('checkout', { throttle: '3/1m', debounce: '1s', roles: ['customer'] })
expectType<Policy>()(checkout)
const named = policy('checkout')
expectType<Guard<Context>>()(named)
expectType<Guard<MyContext>>()(
  policy<MyContext>('checkout', { throttle: { limit: (_, ctx) => `${ctx.tenant.length}/1m` } }),
)
policy(checkout, { throttle: false, roles: false })
// @ts-expect-error: the period is missing
definePolicy('a', { throttle: '3' })
// @ts-expect-error: unknown option
definePolicy('a', { throtle: '3/1m' })
// @ts-expect-error: roles must be a list
definePolicy('a', { roles: 'customer' })
// @ts-expect-error: the name is missing
definePolicy({ throttle: '3/1m' })
// @ts-expect-error: policy() cannot extend a policy
policy('a', { extends: 'strict' })
// @ts-expect-error: a number is not a policy
policy(7)
// @ts-expect-error: policies are read-only
checkout.throttle = '5/1m'
// @ts-expect-error: extends takes a policy or its name
export const extended: PolicyOptions = { extends: { throttle: '5/1m' } }
// @ts-expect-error: policies are given by name
sentinel({ policies: [checkout] })

const guard = sentinel<MyContext>({ limits: true, policies: { strict: { throttle: '5/1m' } } })
expectType<Guard<MyContext>>()(guard.policy('strict'))
expectType<Promise<Explanation>>()(guard.explain(1, 'strict'))
// @ts-expect-error: the subject is missing
guard.explain()

// Limits that change.
export const holders: LimitHolder[] = [1, subject.chat(-100), { role: 'vip' }]
guard.limits.set(holders, checkout, '5/1m', { for: '1h' })
// @ts-expect-error: a role must be given as { role }
guard.limits.set('vip', 'user', '5/1m')
// @ts-expect-error: the name of the limit is missing
guard.limits.set(1, '5/1m')
// @ts-expect-error: not a limit
guard.limits.set(1, 'user', '5')
// @ts-expect-error: not a duration
guard.limits.set(1, 'user', '5/1m', { for: 'an hour' })

// Conduct.
export const adapt: AdaptOptions = { min: '5/1m', max: '40/1m', lose: { to: 0.5 } }
throttle({ limit: '20/1m', adapt })
// @ts-expect-error: the bounds are missing
throttle({ limit: '20/1m', adapt: true })
// @ts-expect-error: max is missing
throttle({ limit: '20/1m', adapt: { min: '5/1m' } })

// Settings of chats.
sentinel({ settings: { throttle: { min: '5/1m', max: '60/1m' }, notices: true } })
sentinel({ settings: false })
// @ts-expect-error: the options are missing
sentinel({ settings: true })
// @ts-expect-error: a limit is not a pair of bounds
sentinel({ settings: { throttle: '5/1m' } })
// @ts-expect-error: unknown text
sentinel({ settings: { notices: true, texts: { de: { titel: 'x' } } } })
guard.settings.set(-100, { limits: { user: 'usual' }, notices: false })
// @ts-expect-error: the chat is missing
guard.settings.set({ notices: false })
guard.on('settings.changed', ({ chat, by }) => {
  expectType<number>()(chat)
  expectType<string>()(by)
})
