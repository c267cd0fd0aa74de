import type { BaseTelegramClient } from '@mtcute/core/client.js'

/** The parts of mtcute's salt manager that are used here. */
interface Salts {
  _timer?: ReturnType<typeof setTimeout>
  _scheduleReplace(salt: unknown): void
}

const mended = new WeakSet<object>()

/**
 * mtcute 0.30.3 sets a timer for the next salt, but when salts arrive again it sets another without clearing the first: the
 * process of a closed client would live on for half an hour. This clears the earlier timer.
 */
export function callOffSaltTimers(base: BaseTelegramClient): void {
  const connect = base.connect.bind(base)
  base.connect = async () => {
    await connect()
    // These fields are private to mtcute: if a version has no such field, there is nothing to fix.
    const salts = Object(Reflect.get(Object(Reflect.get(base.mt.network, '_primaryDc')), '_salts'))
    const kind = Object.getPrototypeOf(salts) as Salts | null
    if (kind === null || typeof kind._scheduleReplace !== 'function' || mended.has(kind)) return
    mended.add(kind)
    const schedule = kind._scheduleReplace
    kind._scheduleReplace = function (this: Salts, salt) {
      clearTimeout(this._timer)
      schedule.call(this, salt)
    }
  }
}
