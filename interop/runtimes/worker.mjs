// A worker: GET runs the suite, or asks one thing of a guard that lives on; POST is the webhook, whose state goes on from request to request.
import { asks, exported } from './lived.mjs'
import { early, run } from './suite.mjs'

export default {
  async fetch(request, _env, context) {
    const waitUntil = (work) => context.waitUntil(work)
    const ask = new URL(request.url).searchParams.get('ask')
    if (ask !== null) return Response.json((await asks[ask]()) ?? null)
    if (request.method === 'GET') return Response.json({ exported, ...(await run()) })
    const answer = await early.webhook.fetch(request, { waitUntil })
    return new Response(JSON.stringify(early.reached), { status: answer.status })
  },
}
