// A worker: GET runs the suite, POST is the webhook, whose state goes on from request to request.
import { early, run } from './suite.mjs'

export default {
  async fetch(request, _env, context) {
    if (request.method === 'GET') return Response.json(await run())
    const answer = await early.webhook.fetch(request, { waitUntil: (work) => context.waitUntil(work) })
    return new Response(JSON.stringify(early.reached), { status: answer.status })
  },
}
