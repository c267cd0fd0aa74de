import { systemTimers } from '../core/clock.js'
import type { Services } from '../middleware/services.js'
import { guarded } from './callbacks.js'
import type { OutgoingSettings } from './options.js'
import { Sender } from './sender.js'

/**
 * Makes a sender for a bot of a sentinel, with the sentinel's storage, clock and listeners.
 *
 * @param current Returns the options in force, so that their callbacks are always the current ones.
 */
export function senderIn(services: Services, bot: number, current: () => OutgoingSettings): Sender {
  const { storage, events, timers, failed } = services
  return new Sender(current(), {
    bot,
    storage: storage.remote === true ? storage : undefined,
    clock: services.at() === undefined ? undefined : services.clock,
    timers: timers === systemTimers ? undefined : timers,
    random: Math.random,
    limited(told) {
      events.tell('outgoing.limited', told)
      guarded(current().onLimited, 'outgoing.onLimited', failed)(told)
    },
    migrated(told) {
      events.tell('chat.migrated', told)
      guarded(current().onMigrated, 'outgoing.onMigrated', failed)(told)
    },
    failed(error, during) {
      const { onError } = current()
      if (onError === undefined) failed(error, during)
      else guarded(onError, 'outgoing.onError', failed)({ error, during })
    },
  })
}
