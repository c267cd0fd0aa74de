import { SentinelError } from '../core/errors.js'

/** The error for a request whose body was consumed before it reached the webhook. */
export function bodyIsGone(): SentinelError {
  return new SentinelError(
    'webhook.body',
    'guard.webhook(): somebody in front of it has read the body of the request, and nothing is left. Put the webhook in front of them, or have them keep what they read: node:http as request.body or request.rawBody, hono by c.req.text() or c.req.json().',
  )
}
