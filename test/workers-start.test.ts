import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('../', import.meta.url))

/** What workerd refuses while a module is loaded: timers, I/O, random values. Creating an AbortController counts as a timer. */
function forbidden(name: string): () => never {
  return () => {
    throw new Error(`${name}: disallowed operation within global scope`)
  }
}

const WORKER = {
  navigator: { userAgent: 'Cloudflare-Workers' },
  AbortController: forbidden('AbortController'),
  setTimeout: forbidden('setTimeout'),
  setInterval: forbidden('setInterval'),
  fetch: forbidden('fetch'),
  crypto: { getRandomValues: forbidden('getRandomValues'), randomUUID: forbidden('randomUUID') },
  URL,
  Request,
  Response,
  Headers,
  TextEncoder,
  TextDecoder,
  performance,
  console,
}

/** Loads a worker as a bundler would build it, and returns its exports. */
async function started(worker: string): Promise<unknown> {
  const { outputFiles } = await build({
    stdin: { contents: worker, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'worker',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['worker', 'browser'],
    target: 'es2022',
  })
  const context = createContext({ ...WORKER })
  runInContext(
    'Math.random = () => { throw new Error("chance: disallowed operation within global scope") }',
    context,
  )
  return runInContext(`${outputFiles[0]?.text}\nworker.given`, context)
}

test('a worker that imports all exports at module scope starts', async () => {
  const given = await started(`
    import * as all from './src/index.js'
    export const given = Object.keys(all).length`)
  expect(given).toBeGreaterThan(50)
})

test('a worker that creates the documented storages at module scope starts', async () => {
  const given = await started(`
    import { combine, failover, fromGrammyStorage, hybrid, memory, resilient, sentinel } from './src/index.js'
    const adapter = { read() {}, write() {}, delete() {} }
    const storages = [
      combine({ durable: fromGrammyStorage(adapter) }),
      resilient(memory()),
      failover([memory(), memory()]),
      hybrid(Object.assign(Object.create(memory()), { remote: true })),
    ]
    export const given = storages.map((storage) => sentinel({ storage, users: true, outgoing: {}, concurrency: {} })).length`)
  expect(given).toBe(4)
})
