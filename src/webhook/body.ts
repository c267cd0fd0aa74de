import { SentinelError } from '../core/errors.js'

/** The error for a request whose body was consumed before it reached the webhook. */
export function bodyIsGone(): SentinelError {
  return new SentinelError(
    'webhook.body',
    'guard.webhook(): other middleware has already read the body of the request. Put the webhook in front of it, or let it keep the body: with node:http as request.body or request.rawBody, with hono by c.req.text() or c.req.json().',
  )
}
