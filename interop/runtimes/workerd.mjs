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
  console.log(JSON.stringify(outcome))
} finally {
  await worker.dispose()
}
