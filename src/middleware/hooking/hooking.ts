import { steadyClock, type Timers } from '../../core/clock.js'
import type { Events } from '../../hooks/events.js'
import { HookRegistry } from '../../hooks/registry.js'
import type { Running } from '../../hooks/running.js'
import { stepped } from '../chain/probe.js'
import type { SentinelEvents } from '../events.js'
import type { Background } from '../services/background.js'
import { DECIDING, eventOf, TELLING } from './hook-points.js'

/** Creates the registry of hooks for a sentinel's services: connects it to the events, the background work and the timers. */
export function hooksOf(events: Events<SentinelEvents>, aside: Background, timers: Timers): HookRegistry {
  const ran: Running['ran'] = (point, name, ms, outcome) =>
    events.tell('hook.ran', { point, name, ms, outcome })
  return new HookRegistry(
    {
      deciding: DECIDING,
      telling: TELLING,
      listen(point, listener) {
        const { event, meant } = eventOf(point)
        return events.on(event, (happened) => {
          if (meant(happened)) listener(happened)
        })
      },
    },
    {
      timers,
      steady: steadyClock,
      failed(error, during, point) {
        // A failing hook at `error` would otherwise be called for its own failure.
        if (point === 'error') events.fail(error, 'error')
        else events.tell('error', { error, during })
      },
      get ran() {
        return events.wanted('hook.ran') ? ran : undefined
      },
      aside: (name, work) => aside.run(name, work),
      spent: new WeakSet(),
      step: (name, run) => stepped(aside.probe, { kind: 'hook', name }, run),
    },
  )
}
