/**
 * Adds the matchers of {@link TelegramMatchers} to jest's `expect` and declares them on the global `expect`. Import it once: in a
 * test, or in a file listed in `setupFilesAfterEnv`. Published as `grammy-sentinel/testing/jest`.
 *
 * @packageDocumentation
 */
import { SentinelError } from '../core/errors.js'
import { type TelegramMatchers, telegramMatchers } from './matchers/matchers.js'

export type { MatcherVerdict, TelegramMatchers } from './matchers/matchers.js'

declare global {
  namespace jest {
    // biome-ignore lint/complexity/noBannedTypes: a merging declaration must repeat the type parameters of the original
    interface Matchers<R, T = {}> extends TelegramMatchers<R> {}
  }
}

const { expect } = globalThis as { readonly expect?: { extend?(matchers: object): void } }
if (typeof expect?.extend !== 'function')
  throw new SentinelError(
    'telegram.invalid',
    "grammy-sentinel/testing/jest: there is no global expect. Pass the matchers to yours: expect.extend(telegramMatchers), with telegramMatchers from 'grammy-sentinel/testing'.",
  )
expect.extend(telegramMatchers)
