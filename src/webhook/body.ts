import { SentinelError } from '../core/errors.js'

/** Whoever read the body of a request in front of a webhook has left nothing of it. */
export function bodyIsGone(): SentinelError {
  return new SentinelError(
    'webhook.body',
    'guard.webhook(): somebody in front of it has read the body of the request, and nothing is left. Put the webhook in front of them, or have them keep what they read: node:http as request.body or request.rawBody, hono by c.req.text() or c.req.json().',
  )
}
