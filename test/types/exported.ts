// A package of a monorepo, whose declarations are written, may export values of this package again: every type that these declarations
// then contain can be named. The check of the package compiles this file against the package itself.
import { compose, definePolicy, memory, sentinel, throttle } from 'grammy-sentinel'
import { health } from 'grammy-sentinel/health'
import { logging } from 'grammy-sentinel/logging'
import { metrics } from 'grammy-sentinel/metrics'
import { createTelegram, telegramMatchers } from 'grammy-sentinel/testing'
import { tracing } from 'grammy-sentinel/tracing'

export const matchers = telegramMatchers
export const telegram = createTelegram()
export const guard = sentinel({ storage: memory() })
export const fused = compose(throttle('3/1m'))
export const policy = definePolicy('shop', { throttle: '3/1m' })
export const observed = [health(guard), logging(guard), metrics(guard), tracing(guard)] as const
export const reports = () => [guard.health(), guard.limits, guard.peek, guard.simulate] as const
