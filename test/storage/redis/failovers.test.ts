import { jest } from '@jest/globals'
import type { Storage } from '../../../src/storage/contract/storage.js'
import { redis } from '../../../src/storage/redis/index.js'
import { freePort } from '../../servers/ports.js'
import { type NetworkProxy, startProxy } from '../../servers/proxy.js'
import { type ScriptedSentinel, startScriptedSentinel } from '../../servers/scripted-sentinel.js'
import { freshName, sharedRedis } from '../../servers/shared.js'
import { until } from '../../servers/until.js'
import { settled } from '../outage.js'
import { ALICE, BOT } from './desk.js'

/* What Sentinels report, in an order that real ones do not produce on demand. Both masters are the same Redis behind two proxies. */

const NAME = 'mymaster'

/** Whether a call succeeded, for `then()`. */
const outcome = [() => true, () => false] as const

describe('behind a Redis Sentinel', () => {
  let former: NetworkProxy
  let later: NetworkProxy
  let sentinel: ScriptedSentinel
  let storage: Storage
  /** Pauses of the client before it connects anew, in milliseconds. */
  const pause = jest.fn((_times: number) => 10)
  const writes = (): Promise<void> =>
    Promise.resolve(storage.marks.put(BOT, 'blocked', [{ key: ALICE, mark: { since: 1 } }])).then(
      () => undefined,
    )

  beforeAll(() => sharedRedis(), 30_000)
  beforeEach(async () => {
    const { port, password } = new URL(await sharedRedis())
    ;[former, later] = await Promise.all([startProxy(Number(port)), startProxy(Number(port))])
    sentinel = await startScriptedSentinel(NAME, former.port)
    pause.mockReset().mockReturnValue(10)
    storage = redis(
      {
        sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
        name: NAME,
        password: decodeURIComponent(password),
        retryStrategy: pause,
      },
      { prefix: freshName() },
    )
    await writes()
    await until('it listens to the Sentinel', () => sentinel.subscribers === 1, 5000)
  })
  afterEach(async () => {
    await storage.close()
    await until('no connection to the Sentinel is left', () => sentinel.open === 0, 5000)
    await Promise.all([former.stop(), later.stop(), sentinel.stop()])
  })

  const atLater = (): Promise<void> =>
    until('it has left the former master', () => former.open === 0 && later.open === 1, 5000)
  const switchTo = (port: number): void => {
    sentinel.name(port)
    sentinel.report(port)
  }

  test('it finds the next master when one dies', async () => {
    former.refuse()
    former.cut()
    sentinel.name(later.port)
    await atLater()
  })

  test('it leaves a master that is well once another one is reported', async () => {
    switchTo(later.port)
    await atLater()
  })

  test('it leaves the former master if the switch is reported while it is connecting to it', async () => {
    sentinel.hold()
    const { asked } = sentinel
    former.cut()
    await until('it was given the former master', () => sentinel.asked > asked, 5000)
    switchTo(later.port)
    await settled()
    sentinel.release()
    await atLater()
  })

  test('it keeps its connection if a switch is reported again, or one of another master', async () => {
    switchTo(later.port)
    await atLater()
    await until('it writes', () => writes().then(...outcome), 5000)
    sentinel.report(later.port)
    sentinel.report(former.port, 'another')
    await settled()
    await writes()
    expect(later.accepted).toBe(1)
  })

  describe('whose addresses natMap translates', () => {
    let names: { readonly former: number; readonly later: number }

    beforeEach(async () => {
      await storage.close()
      names = { former: await freePort(), later: await freePort() }
      sentinel.name(names.former)
      const { password } = new URL(await sharedRedis())
      storage = redis(
        {
          sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
          name: NAME,
          password: decodeURIComponent(password),
          retryStrategy: pause,
          natMap: {
            [`127.0.0.1:${names.former}`]: { host: '127.0.0.1', port: former.port },
            [`127.0.0.1:${names.later}`]: { host: '127.0.0.1', port: later.port },
          },
        },
        { prefix: freshName() },
      )
      await writes()
      await until('it listens to the Sentinel', () => sentinel.subscribers === 1, 5000)
    })

    test('it leaves the former master once, however many Sentinels report the switch', async () => {
      for (let reports = 0; reports < 3; reports++) {
        switchTo(names.later)
        await atLater()
        await until('it writes', () => writes().then(...outcome), 5000)
      }
      expect(later.accepted).toBe(1)
    })

    test('it keeps its connection to the new master if a Sentinel named that one before reporting the switch', async () => {
      former.refuse()
      former.cut()
      sentinel.name(names.later)
      await atLater()
      await until('it writes', () => writes().then(...outcome), 5000)
      sentinel.report(names.later)
      await settled()
      await writes()
      expect(later.accepted).toBe(1)
    })

    test('it keeps a connection to the new master that it begins while the switch is reported', async () => {
      pause.mockReturnValue(300)
      sentinel.name(names.later)
      const { asked } = sentinel
      former.cut()
      await until('it waits to connect anew', () => pause.mock.calls.length > 0, 5000)
      sentinel.report(names.later)
      await settled()
      expect(sentinel.asked).toBe(asked)
      await atLater()
      await until('it writes', () => writes().then(...outcome), 5000)
      expect(later.accepted).toBe(1)
    })
  })

  test('close() ends the connections to the Sentinels, even while the client waits to connect anew', async () => {
    pause.mockReturnValue(60_000)
    former.cut()
    await until('it waits', () => pause.mock.calls.length > 0, 5000)
    await settled()
    await storage.close()
    await until('no connection is left', () => sentinel.open === 0, 5000)
  })

  // A rejection that nothing handles would end a bot; here it fails the test.
  test.each(['refused', 'ignored'] as const)(
    'it goes on if a repeated subscription is %s, and subscribes with the next connection',
    async (how) => {
      sentinel.subscriptions = how
      const { attempts } = sentinel
      sentinel.cut()
      await until('it has tried to subscribe', () => sentinel.attempts > attempts, 5000)
      await settled()
      await writes()
      sentinel.subscriptions = 'accepted'
      sentinel.cut()
      await until('it listens again', () => sentinel.subscribers === 1, 5000)
      sentinel.subscriptions = how
      sentinel.cut()
      await until('it has tried again', () => sentinel.attempts > attempts + 2, 5000)
    },
  )
})
