// On workerd, in miniflare, which needs Node 22: bundles the worker and asks it.

import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const { outputFiles } = await build({
  entryPoints: [here('worker.mjs')],
  bundle: true,
  write: false,
  format: 'esm',
  // Neutral: what is of Node alone does not resolve, and fails the build.
  platform: 'neutral',
  mainFields: ['module', 'main'],
  conditions: ['worker', 'browser'],
  target: 'es2022',
})
const worker = new Miniflare({
  modules: true,
  script: outputFiles[0].text,
  compatibilityDate: '2026-04-01',
  cf: false,
  host: '127.0.0.1',
  port: 0,
})
try {
  const outcome = await (await worker.dispatchFetch('http://worker.test/')).json()
  const statuses = []
  let reached
  for (let i = 0; i < 6; i++) {
    const person = { id: 1, is_bot: false, first_name: 'A' }
    const chat = { id: 1, type: 'private', first_name: 'A' }
    const update = {
      update_id: 1000 + i,
      message: { message_id: i, date: 0, from: person, chat, text: `m${i}` },
    }
    const answer = await worker.dispatchFetch('http://worker.test/hook', {
      method: 'POST',
      headers: { 'x-telegram-bot-api-secret-token': 'the-secret' },
      body: JSON.stringify(update),
    })
    statuses.push(answer.status)
    reached = await answer.json()
  }
  outcome.checks++
  const found = JSON.stringify([statuses, reached])
  if (found !== JSON.stringify([new Array(6).fill(200), ['m0', 'm1', 'm2']])) {
    outcome.failures.push(`a worker that lives on: ${found}`)
  }
  await livesOn(outcome)
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
