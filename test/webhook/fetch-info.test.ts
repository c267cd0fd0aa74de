import { Hono } from 'hono'
import type { FetchInfo } from '../../src/webhook/index.js'
import { says } from '../sentinel/desk.js'
import { post, type Stand, stand } from './stand.js'

/* What platforms with the fetch API tell besides the request. */

/** An execution context whose methods check their `this`, as those of Cloudflare Workers do. */
class ExecutionContext {
  readonly #works: Promise<unknown>[] = []

  waitUntil(work: Promise<unknown>): void {
    this.#works.push(work)
  }

  /** Waits for all work, and returns how much there was. */
  async over(): Promise<number> {
    await Promise.all(this.#works)
    return this.#works.length
  }
}

const update = () => post(JSON.stringify(says(1, 'hello')))

test.each<[string, (at: Stand, context: ExecutionContext) => Promise<Response>]>([
  ['webhook.fetch', (at, context) => at.webhook.fetch(update(), context)],
  [
    'webhook.hono',
    async (at, context) => new Hono().post('/hook', (c) => at.webhook.hono(c, context)).fetch(update()),
  ],
])('%s takes an execution context as it is', async (_, answer) => {
  const at = stand()
  const failures: unknown[] = []
  at.guard.on('error', (event) => failures.push(event))
  const context = new ExecutionContext()
  expect((await answer(at, context)).status).toBe(200)
  expect([at.reached, await context.over(), failures]).toEqual([['hello'], 1, []])
})

test('an update is handled even if waitUntil throws, which is reported', async () => {
  const at = stand()
  const failures: string[] = []
  at.guard.on('error', ({ during }) => failures.push(during))
  const { waitUntil } = ExecutionContext.prototype
  const info: FetchInfo = { waitUntil: (work) => waitUntil.call({}, work) }
  expect(await at.deliver(says(1, 'hello'), info)).toBe(200)
  expect([at.reached, failures]).toEqual([['hello'], ['waitUntil']])
})

test('the signal of a request is accessed only if the bot may answer with a method call: Deno warns about it', async () => {
  let accessed = 0
  const watched = () =>
    Object.defineProperty(update(), 'signal', {
      get() {
        accessed++
        return new AbortController().signal
      },
    })
  expect((await stand().webhook.fetch(watched())).status).toBe(200)
  expect(accessed).toBe(0)
  expect((await stand({}, undefined, { reply: true }).webhook.fetch(watched())).status).toBe(200)
  expect(accessed).toBe(1)
})
