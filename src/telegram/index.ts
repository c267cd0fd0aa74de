/**
 * An embedded Telegram for running and testing bots without the network, and the conformance tests for storages. Published as
 * `grammy-sentinel/testing`.
 *
 * @packageDocumentation
 */
export type { Clock, Timers } from '../core/clock.js'
export type { Duration, DurationUnit, Ms } from '../core/duration.js'
export { SentinelError, type SentinelErrorCode } from '../core/errors.js'
export type { LimitInput } from '../core/limit.js'
export { type ConformanceCase, type StorageOnTrial, storageConformance } from '../testing/index.js'
export type { BotCall, CallResult } from './bot-api/calls.js'
export type { Fault, Faults } from './bot-api/faults.js'
export type { FloodLimits } from './bot-api/flood.js'
export type { WebhookHandler } from './bot-api/webhook-delivery.js'
export { type MatcherVerdict, type TelegramMatchers, telegramMatchers } from './matchers/matchers.js'
export type { NewCdn, TelegramCdn } from './mtproto/cdn/cdn.js'
export type { MtprotoAddress, NewMtproto, TelegramMtproto } from './mtproto/mtproto.js'
export type { Reputation } from './mtproto/views/reputation.js'
export type {
  ControlAddress,
  NewAdministrator,
  NewChannel,
  NewGroup,
  NewTelegramBot,
  NewUser,
  RawUpdate,
  TelegramOptions,
} from './options.js'
export { ChannelPresence, GroupPresence, MemberPresence, type Somebody } from './people/member-presence.js'
export { Payment, type Purchase } from './people/payment.js'
export { type HearingOptions, InlineQuestion, Person } from './people/person.js'
export { type BotConnection, TelegramBot, TelegramChannel, TelegramGroup } from './people/places.js'
export { Presence } from './people/presence.js'
export { Tap } from './people/tap.js'
export { Recording } from './record/recorder.js'
export { Replay, type ReplayOptions } from './record/replay.js'
export type { PollingBot, RunOptions } from './running-bots.js'
export { createTelegram, startTelegram } from './start.js'
export { Telegram } from './telegram.js'
export type { ClockSource, TelegramClock } from './world/clock.js'
export type { Content } from './world/messages/content.js'
export type { CallbackAnswer, CheckoutAnswer, InlineAnswer } from './world/world.js'
