import type { BaseTelegramClient } from '@mtcute/core/client.js'

/** What mtcute keeps of salts, as far as it concerns us. */
interface Salts {
  _timer?: ReturnType<typeof setTimeout>
  _scheduleReplace(salt: unknown): void
}

const mended = new WeakSet<object>()

/**
 * mtcute 0.30.3 sets a timer for the next salt, and when salts come a second time sets another and forgets the first: a process that
 * has closed its client would live on for half an hour. Here the first is called off.
 */
export function callOffSaltTimers(base: BaseTelegramClient): void {
  const connect = base.connect.bind(base)
  base.connect = async () => {
    await connect()
    // Not public: where a version keeps it elsewhere there is nothing to mend.
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
