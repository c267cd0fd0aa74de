import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Bot, webhookCallback } from 'grammy'
import type { Update } from 'grammy/types'
import { sentinel } from 'grammy-sentinel'
import { ME } from '../updates.js'
import { SECRET } from './secret.js'

/** A bot whose handler does nothing. Its calls (notices to flooding users) are discarded. */
function botWith(install: (bot: Bot) => void): Bot {
  const bot = new Bot('42:token', { botInfo: ME })
  bot.api.config.use(async () => ({ ok: true, result: true }) as never)
  install(bot)
  bot.use(() => undefined)
  return bot
}

const plain = (): Bot => botWith(() => undefined)

/** Reads a body as simply as possible. */
function reading(then: (text: string, response: ServerResponse) => void): RequestListener {
  return (request: IncomingMessage, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      text += chunk
    })
    request.on('end', () => then(text, response))
  }
}

function guarded(gate: boolean): RequestListener {
  const guard = sentinel()
  const bot = botWith((own) => own.use(guard))
  return guard.webhook(bot, { secret: SECRET, gate }).http
}

export const CONTENDERS = {
  /** node:http alone: reads the body and answers. */
  http: () => reading((_text, response) => response.end()),
  /** Hand-written code without guards. */
  parse: () => {
    const bot = plain()
    return reading((text, response) => {
      bot.handleUpdate(JSON.parse(text) as Update).then(() => response.end(), console.error)
    })
  },
  /** grammY's own adapter, without guards. */
  callback: () => webhookCallback(plain(), 'http', { secretToken: SECRET }) as RequestListener,
  /** Our webhook with all default guards. */
  ours: () => guarded(true),
  /** The same without the gate, so that it parses every update. */
  gateless: () => guarded(false),
} satisfies Record<string, () => RequestListener>
export type Contender = keyof typeof CONTENDERS

const name = process.argv[2] as Contender
const server = createServer(CONTENDERS[name]())
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpu: user + system })
})
process.on('disconnect', () => process.exit(0))
