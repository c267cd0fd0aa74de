// On workerd, in miniflare, which needs Node 22: bundles the worker and asks it.

import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
/** Starts an isolate of a worker. */
async function started(file, options = {}) {
  const { outputFiles } = await build({
    entryPoints: [here(file)],
    bundle: true,
    write: false,
    format: 'esm',
    // Neutral: what is of Node alone does not resolve, and fails the build.
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['worker', 'browser'],
    target: 'es2022',
  })
  return new Miniflare({
    modules: true,
    script: outputFiles[0].text,
    compatibilityDate: '2026-04-01',
    cf: false,
    host: '127.0.0.1',
    port: 0,
    ...options,
  })
}

/** Sends an update to a worker's webhook. */
function delivered(worker, id, text, from = 1) {
  const person = { id: from, is_bot: false, first_name: 'A' }
  const chat = { id: from, type: 'private', first_name: 'A' }
  const update = { update_id: id, message: { message_id: id, date: 0, from: person, chat, text } }
  if (text.startsWith('/'))
    update.message.entities = [{ type: 'bot_command', offset: 0, length: text.length }]
  return worker.dispatchFetch('http://worker.test/hook', {
    method: 'POST',
    headers: { 'x-telegram-bot-api-secret-token': 'the-secret' },
    body: JSON.stringify(update),
  })
}

const worker = await started('worker.mjs')
try {
  const outcome = await (await worker.dispatchFetch('http://worker.test/')).json()
  const statuses = []
  let reached
  for (let i = 0; i < 6; i++) {
    const answer = await delivered(worker, 1000 + i, `m${i}`)
    statuses.push(answer.status)
    reached = await answer.json()
  }
  outcome.checks++
  const found = JSON.stringify([statuses, reached])
  if (found !== JSON.stringify([new Array(6).fill(200), ['m0', 'm1', 'm2']])) {
    outcome.failures.push(`a worker that lives on: ${found}`)
  }
  await livesOn(outcome)
  await startsCold(outcome)
  console.log(JSON.stringify(outcome))
} finally {
  await worker.dispose()
}

/** A guard of many requests, none of which outlives its answer. */
async function livesOn(outcome) {
  const ask = async (what) => (await worker.dispatchFetch(`http://worker.test/?ask=${what}`)).json()
  const check = async (what, holds) => {
    outcome.checks++
    // Nothing here hangs for good; two minutes are for a machine that is busy.
    const until = Date.now() + 120_000
    let found
    do {
      found = await holds()
      if (found === true) return
      await new Promise((done) => setTimeout(done, 200))
    } while (Date.now() < until)
    outcome.failures.push(`${what}: ${JSON.stringify(found)}`)
  }
  const answered = async () => {
    const found = JSON.stringify(await ask('sent'))
    return found === '[200,"answered"]' || found
  }
  const is = (what, wanted) => async () => {
    const found = await ask(what)
    return found === wanted || found
  }
  await check('a chat is written to', answered)
  await check('a call that nobody awaited is refused with 429', is('aside', 200))
  await check('a chat is written to behind a call that ended with its request', answered)
  await check('activity is written, if not by the request that noted it', async () => {
    await ask('sent')
    return is('activity', 0)()
  })
  await ask('hanging')
  const begun = Date.now()
  await check(
    'a storage that hangs is waited for no longer than it may take',
    is('block', 'storage.unavailable'),
  )
  if (Date.now() - begun > 45_000) outcome.failures.push('its time-out came late')
  await ask('failing')
  await check('a storage that fails is taken for down', async () => {
    await ask('block')
    return is('health', 'open')()
  })
  await ask('well')
  await check('a storage that is back is used again', is('health', 'closed'))
  await check('and takes what it is told, though a write ended with its request', is('block', 'blocked'))
}

/** New isolates of one worker, each of which gets several updates at once, over documents that all of them share. */
async function startsCold(outcome) {
  const documents = new Map()
  const outboundService = async (request) => {
    // Long enough that the updates arrive while the first of them reads.
    await new Promise((done) => setTimeout(done, 200))
    const { pathname } = new URL(request.url)
    if (request.method === 'PUT') documents.set(pathname, await request.text())
    if (request.method === 'DELETE') documents.delete(pathname)
    const found = documents.get(pathname)
    return found === undefined ? new Response(null, { status: 204 }) : new Response(found)
  }
  const inIsolate = async (work) => {
    const isolate = await started('cold.mjs', { outboundService })
    try {
      return await work(isolate)
    } finally {
      await isolate.dispose()
    }
  }
  await inIsolate(async (isolate) => {
    await delivered(isolate, 1, 'meets the bot')
    await isolate.dispatchFetch('http://worker.test/marks')
  })
  const found = await inIsolate(async (isolate) => {
    const first = [
      ['hello', 5],
      ['hi', 7],
      ['/orders', 8],
      ['hi', 7],
      ['/orders', 8],
    ]
    await Promise.all(first.map(([text, from], i) => delivered(isolate, 10 + i, text, from)))
    return (await isolate.dispatchFetch('http://worker.test/')).text()
  })
  outcome.checks++
  if (found === JSON.stringify({ reached: ['/orders', '/orders', 'hello'], reported: [] })) return
  outcome.failures.push(`the first updates of an isolate are not decided by the storage: ${found}`)
}
