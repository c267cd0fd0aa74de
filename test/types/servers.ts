// Servers of Node and other frameworks accept the handlers of webhooks, probes and metrics. The check of the package compiles this file
// again, against the package itself and the newest types of Node, which differ from those that the project is built with.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as http2 from 'node:http2'
import Fastify from 'fastify'
import { Bot } from 'grammy'
import { type IncomingUpdate, type OutgoingAnswer, sentinel } from 'grammy-sentinel'
import { health } from 'grammy-sentinel/health'
import { metrics } from 'grammy-sentinel/metrics'
import { Hono } from 'hono'

const bot = new Bot('123:token')
const guard = sentinel().install(bot)
const webhook = guard.webhook(bot, { secret: 'a-long-secret-of-yours' })

const server = createServer(webhook.http)
const secondServer = http2.createServer(webhook.http)
const fastify = Fastify()
fastify.register(webhook.fastify, { path: '/hook' })
new Hono().post('/hook', webhook.hono)
webhook.drainOn(process, { server })
webhook.drainOn(process, { server: secondServer })
webhook.drainOn(process, { server: fastify })

// express passes its own request and response, which are those of Node with additional properties.
type Handler = (request: IncomingMessage & { body?: unknown }, response: ServerResponse) => void
export const handlers: Handler[] = [webhook.http, health(guard).handler, metrics(guard).handler]
export const asIncoming = (request: IncomingMessage): IncomingUpdate => request
export const asOutgoing = (response: ServerResponse): OutgoingAnswer => response
