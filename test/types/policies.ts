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
// @ts-expect-error: per how long?
definePolicy('a', { throttle: '3' })
// @ts-expect-error: no such part
definePolicy('a', { throtle: '3/1m' })
// @ts-expect-error: roles are a list
definePolicy('a', { roles: 'customer' })
// @ts-expect-error: a name comes first
definePolicy({ throttle: '3/1m' })
// @ts-expect-error: a handler extends nothing
policy('a', { extends: 'strict' })
// @ts-expect-error: no number names a policy
policy(7)
// @ts-expect-error: a policy does not change
checkout.throttle = '5/1m'
// @ts-expect-error: extends a policy, or the name of one
export const extended: PolicyOptions = { extends: { throttle: '5/1m' } }
// @ts-expect-error: several are given by name
sentinel({ policies: [checkout] })

const guard = sentinel<MyContext>({ limits: true, policies: { strict: { throttle: '5/1m' } } })
expectType<Guard<MyContext>>()(guard.policy('strict'))
expectType<Promise<Explanation>>()(guard.explain(1, 'strict'))
// @ts-expect-error: whom?
guard.explain()

// Limits that change.
export const holders: LimitHolder[] = [1, subject.chat(-100), { role: 'vip' }]
guard.limits.set(holders, checkout, '5/1m', { for: '1h' })
// @ts-expect-error: a role is said as such
guard.limits.set('vip', 'user', '5/1m')
// @ts-expect-error: which limit?
guard.limits.set(1, '5/1m')
// @ts-expect-error: no limit
guard.limits.set(1, 'user', '5')
// @ts-expect-error: no duration
guard.limits.set(1, 'user', '5/1m', { for: 'an hour' })

// Conduct.
export const adapt: AdaptOptions = { min: '5/1m', max: '40/1m', lose: { to: 0.5 } }
throttle({ limit: '20/1m', adapt })
// @ts-expect-error: no bounds, no adapting
throttle({ limit: '20/1m', adapt: true })
// @ts-expect-error: both bounds
throttle({ limit: '20/1m', adapt: { min: '5/1m' } })

// Settings of chats.
sentinel({ settings: { throttle: { min: '5/1m', max: '60/1m' }, notices: true } })
sentinel({ settings: false })
// @ts-expect-error: no bounds, nothing to tune
sentinel({ settings: true })
// @ts-expect-error: a limit is no bounds
sentinel({ settings: { throttle: '5/1m' } })
// @ts-expect-error: no such text
sentinel({ settings: { notices: true, texts: { de: { titel: 'x' } } } })
guard.settings.set(-100, { limits: { user: 'usual' }, notices: false })
// @ts-expect-error: which chat?
guard.settings.set({ notices: false })
guard.on('settings.changed', ({ chat, by }) => {
  expectType<number>()(chat)
  expectType<string>()(by)
})
