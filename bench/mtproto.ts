// npm run bench:mtproto: speed of AES-IGE compared to mtcute's WASM and to GramJS, and the cost of our client against our server.
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ige256Encrypt } from '@mtcute/wasm'
import { type MtprotoClient, type MtprotoServerAddress, mtproto } from '../src/mtproto/index.js'
import { encryptByCbc, igeEncrypt, loadIge } from '../src/mtproto/protocol/ige.js'
import { type Finding, median, part, run } from './compare.js'

const ROUNDS = part(21)
const IN_FLIGHT = 64

interface Address extends MtprotoServerAddress {
  readonly token: string
}

const findings: Finding[] = []

/** Megabytes per second, in rounds of 20 ms. */
function rate(size: number, encrypt: (data: Uint8Array) => unknown): number {
  const data = randomBytes(size)
  const from = performance.now()
  let bytes = 0
  while (performance.now() - from < 20) {
    encrypt(data)
    bytes += size
  }
  return bytes / 1e3 / (performance.now() - from)
}

type Encrypt = (data: Uint8Array, key: Uint8Array, iv: Uint8Array) => unknown

interface GramIge {
  readonly IGE: new (key: Buffer, iv: Buffer) => { encryptIge(data: Buffer): Buffer }
}

/** GramJS, which is installed in interop/ with other foreign clients; undefined if it is not installed. */
function gramjs(): { readonly name: string; readonly encrypt: Encrypt } | undefined {
  const require = createRequire(join(process.cwd(), 'interop', 'package.json'))
  let path: string
  try {
    path = require.resolve('telegram/crypto/IGE')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    console.log('GramJS is not installed, and left out: npm ci --prefix interop')
    return undefined
  }
  const { IGE } = require(path) as GramIge
  const { version } = require('telegram/package.json') as { readonly version: string }
  return {
    name: `GramJS ${version}`,
    encrypt: (data, key, iv) => new IGE(Buffer.from(key), Buffer.from(iv)).encryptIge(Buffer.from(data)),
  }
}

async function ige(): Promise<void> {
  const gram = gramjs()
  await loadIge()
  const [key, iv] = [randomBytes(32), randomBytes(32)]
  console.log('\nAES-IGE, encryption (interleaved, medians of 21 rounds)')
  for (const size of [1024, 4096, 16_384, 65_536, 524_288]) {
    const ours: number[] = []
    const wasm: number[] = []
    const cbc: number[] = []
    const theirs: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(rate(size, (data) => igeEncrypt(data, key, iv)))
      wasm.push(rate(size, (data) => ige256Encrypt(data, key, iv)))
      cbc.push(rate(size, (data) => encryptByCbc(data, key, iv)))
      if (gram !== undefined) theirs.push(rate(size, (data) => gram.encrypt(data, key, iv)))
    }
    const ratio = median(ours.map((own, nth) => own / (wasm[nth] as number)))
    if (size === 16_384) {
      findings.push({
        what: 'AES-IGE of 16 KiB, encryption / @mtcute/wasm 0.30.3',
        measured: ratio,
        unit: 'x',
        least: 1.8,
      })
      if (gram !== undefined) {
        const measured = median(ours.map((own, nth) => own / (theirs[nth] as number)))
        findings.push({ what: `AES-IGE of 16 KiB, encryption / ${gram.name}`, measured, unit: 'x' })
      }
    }
    const line = [ours, wasm, cbc].map((rates) => `${median(rates).toFixed(0).padStart(5)} MB/s`)
    const gramLine = gram === undefined ? '' : `, ${gram.name} ${median(theirs).toFixed(0)} MB/s`
    console.log(
      `  ${String(size).padStart(7)} B: ours ${line[0]}, @mtcute/wasm ${line[1]}, by CBC ${line[2]}${gramLine}: ${ratio.toFixed(2)}x the WASM`,
    )
  }
}

async function serve(): Promise<{ readonly child: ChildProcess; readonly address: Address }> {
  const child = fork(fileURLToPath(new URL('./mtproto/server.js', import.meta.url)))
  const address = await new Promise<Address>((done) => child.once('message', (told) => done(told as Address)))
  return { child, address }
}

function connect({ token, ...server }: Address): MtprotoClient {
  return mtproto({ apiId: 1, apiHash: 'any', botToken: token, server })
}

async function calls(address: Address): Promise<void> {
  const client = connect(address)
  await client.connect()
  const raw = await client.raw()
  const rates: number[] = []
  for (let round = 0; round < 6; round++) {
    const from = performance.now()
    let made = 0
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async () => {
        while (performance.now() - from < 1500) {
          await raw.call({ _: 'help.getNearestDc' })
          made++
        }
      }),
    )
    rates.push((made * 1000) / (performance.now() - from))
  }
  // The first round is a warm-up.
  console.log(
    `\n${IN_FLIGHT} calls in flight, client and server each a process: ${median(rates.slice(1)).toFixed(0)} calls/s`,
  )
  findings.push({
    what: '64 calls in flight, client and server each a process',
    measured: median(rates.slice(1)),
    unit: '/s',
    least: 10_000,
  })
  await client.close()
}

async function logins(address: Address): Promise<void> {
  const times: number[] = []
  for (let n = 0; n < 12; n++) {
    const from = performance.now()
    const client = connect(address)
    await client.connect()
    times.push(performance.now() - from)
    await client.close()
  }
  findings.push({ what: 'a login, with the exchange of a key', measured: median(times.slice(2)), unit: 'ms' })
  console.log(`A login, with the exchange of a key: ${median(times.slice(2)).toFixed(0)} ms`)
}

async function idle(address: Address): Promise<void> {
  const count = 50
  const collect = globalThis.gc as () => void
  const used = () => {
    collect()
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = used()
  const clients = Array.from({ length: count }, () => connect(address))
  for (const client of clients) await client.connect()
  await new Promise((done) => setTimeout(done, 500))
  const each = (used() - before) / count / 1024
  findings.push({ what: 'an idle client', measured: each, unit: 'KiB', most: 250 })
  console.log(`An idle client: ${each.toFixed(0)} KiB (heap and buffers, of ${count})`)
  for (const client of clients) await client.close()
}

await ige()
const { child, address } = await serve()
try {
  await logins(address)
  await calls(address)
  await idle(address)
} finally {
  child.disconnect()
}
process.exitCode = run(findings) ? 1 : 0
