// The servers that all suites of a jest run share belong to jest's main process, as workers come and go. It listens from the
// start, which costs nothing, and starts a server when the first suite asks for it (see shared.ts).
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

let broker
let supplying

/** Runs before all suites. A complete run stops here if a server cannot be started; partial runs may not need it. */
export async function openBroker({ nonFlagArgs, testPathPatterns, onlyChanged }) {
  const all = nonFlagArgs.length === 0 && testPathPatterns.patterns.length === 0 && !onlyChanged
  if (all) {
    await needServers().catch((error) => {
      // The stack is of no use: the message says what to do.
      error.stack = error.message
      throw error
    })
  }
  broker = createServer(answer)
  broker.listen(0, '127.0.0.1')
  await once(broker, 'listening')
  broker.unref()
  process.env.TEST_SERVERS_PORT = String(broker.address().port)
}

export async function closeBroker() {
  // Workers that still wait for an answer are gone, or will be with this process.
  broker.close()
  const supply = await supplying
  await supply?.stop()
}

/** Installs servers in advance: that takes longer than a suite would wait. */
async function needServers() {
  const { needPostgres, needRedis } = await load('install')
  if (!process.env.TEST_REDIS_URL || !process.env.TEST_REDIS_CLUSTER_URL) await needRedis()
  if (!process.env.TEST_POSTGRES_URL) await needPostgres()
}

async function answer(socket) {
  // A worker that died while it waited gets no answer; the server is still there for the others.
  socket.on('error', () => socket.destroy())
  let reply
  try {
    // A single word, which arrives in one piece.
    const [word] = await once(socket, 'data')
    supplying ??= load('supply').then(({ Supply }) => new Supply())
    const supply = await supplying
    reply = { url: await supply.urlOf(String(word)) }
  } catch (error) {
    reply = { error: error.message }
  }
  socket.end(JSON.stringify(reply))
}

/** Compiles the code that starts servers, which tests and benchmarks use too, as Node 20 cannot load TypeScript. */
async function load(module) {
  const source = fileURLToPath(new URL('.', import.meta.url))
  const output = fileURLToPath(new URL('../../.cache/servers/', import.meta.url))
  mkdirSync(output, { recursive: true })
  for (const name of readdirSync(source).filter((each) => /(?<!\.test)\.ts$/.test(each))) {
    await compile(join(source, name), join(output, name.replace(/ts$/, 'js')))
  }
  return import(pathToFileURL(join(output, `${module}.js`)).href)
}

async function compile(source, output) {
  const written = statSync(output, { throwIfNoEntry: false })
  if (written !== undefined && written.mtimeMs > statSync(source).mtimeMs) return
  const { transform } = await import('@swc/core')
  const { code } = await transform(readFileSync(source, 'utf8'), {
    swcrc: false,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
    module: { type: 'es6' },
  })
  // Several runs may write the same file at once: each must see a complete one.
  writeFileSync(`${output}.${process.pid}`, code)
  renameSync(`${output}.${process.pid}`, output)
}
