// The servers that all suites of a jest run share belong to jest's main process: workers come and go. It listens from the
// start, which costs nothing, and starts a server when the first suite asks for it (see shared.ts).
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

let broker
let supplying

export async function openBroker() {
  broker = createServer(answer)
  broker.listen(0, '127.0.0.1')
  await new Promise((resolve, reject) => broker.once('listening', resolve).once('error', reject))
  broker.unref()
  process.env.TEST_SERVERS_PORT = String(broker.address().port)
}

export async function closeBroker() {
  await new Promise((resolve) => broker.close(resolve))
  const supply = await supplying
  await supply?.stop()
}

async function answer(socket) {
  // A worker that died while it waited is told nothing; what it asked for is there for the others.
  socket.on('error', () => socket.destroy())
  let reply
  try {
    // One word, which comes in one piece.
    const [word] = await once(socket, 'data')
    supplying ??= load()
    const supply = await supplying
    reply = { url: await supply.urlOf(String(word)) }
  } catch (error) {
    reply = { error: error.message }
  }
  socket.end(JSON.stringify(reply))
}

/** The servers are started by the code that tests and benchmarks use too, which Node 20 cannot load as it is. */
async function load() {
  const { transform } = await import('@swc/core')
  const source = fileURLToPath(new URL('.', import.meta.url))
  const output = fileURLToPath(new URL('../../.cache/servers/', import.meta.url))
  mkdirSync(output, { recursive: true })
  const files = readdirSync(source).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  for (const name of files) {
    const { code } = await transform(readFileSync(join(source, name), 'utf8'), {
      swcrc: false,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
      module: { type: 'es6' },
    })
    // Several runs at once may write the same file: each sees a whole one.
    const file = join(output, name.replace(/ts$/, 'js'))
    writeFileSync(`${file}.${process.pid}`, code)
    renameSync(`${file}.${process.pid}`, file)
  }
  const { Supply } = await import(pathToFileURL(join(output, 'supply.js')).href)
  return new Supply()
}
