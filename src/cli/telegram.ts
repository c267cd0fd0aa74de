import { parseArgs } from 'node:util'
import { SentinelError } from '../core/errors.js'
import type { Telegram } from '../telegram/telegram.js'
import { type Command, type Terminal, UsageError } from './command.js'

const TOKEN = 'TELEGRAM_CONTROL_TOKEN'

/** `grammy-sentinel telegram`: a simulated Telegram server for testing bots in any language. */
export const telegram: Command = {
  summary: 'Runs a local Telegram server for testing bots in any language',
  usage: [
    'Usage: grammy-sentinel telegram [--port PORT] [--host ADDRESS] [--host-name NAME]... [--bot USERNAME]...',
    '                                [--clock real|virtual] [--limits] [--json]',
    '',
    'Serves the Bot API and, under /control, an API that creates people and chats, lets people act and reports what bots did.',
    'It runs until it is interrupted (Ctrl+C) or terminated, and then forgets everything.',
    '',
    '        --port       the port to listen on (default: 8081); 0 takes any free one',
    '        --host       the address to listen on (default: 127.0.0.1, which only this machine reaches)',
    '        --host-name  a name of this machine that requests may use, such as that of a container; may be repeated',
    '        --bot        creates a bot and prints its token; may be repeated',
    "        --clock      'virtual' time stands still until it is advanced (default: 'real')",
    '        --limits     answers 429 to bots that send faster than Telegram allows',
    '        --json       prints its URLs and tokens as one line of JSON',
    '',
    `The control API requires a token: the one in the variable ${TOKEN} (16 characters or more), or else a generated one, which is printed.`,
    '',
    'Exit codes: 0 stopped on request, 1 could not listen, 2 wrong usage.',
  ].join('\n'),
  async run(args, terminal) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        port: { type: 'string', default: '8081' },
        host: { type: 'string', default: '127.0.0.1' },
        'host-name': { type: 'string', multiple: true, default: [] },
        bot: { type: 'string', multiple: true, default: [] },
        clock: { type: 'string', default: 'real' },
        limits: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: false,
    })
    const { clock } = values
    if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535)
      throw new UsageError('--port takes a number from 0 to 65535.')
    if (clock !== 'real' && clock !== 'virtual') throw new UsageError('--clock takes real or virtual.')
    const token = terminal.env[TOKEN]
    const ended = new Promise<void>((resolve) => {
      process.once('SIGTERM', resolve)
      process.once('SIGINT', resolve)
    })
    // Loaded only for this command, so that the others start faster.
    const { startTelegram } = await import('../telegram/start.js')
    let served: Telegram | undefined
    try {
      served = await startTelegram({
        port: Number(values.port),
        host: values.host,
        hostNames: values['host-name'],
        clock,
        limits: values.limits,
        control: token === undefined || token === '' ? true : { token },
      })
      present(served, values.bot, values.json, terminal)
    } catch (error) {
      await served?.close()
      if (error instanceof SentinelError) throw new UsageError(error.message)
      if (!(error instanceof Error && 'code' in error)) throw error
      terminal.err(
        `Cannot listen on ${values.host}, port ${values.port}: ${String(error.code)}. Try another --port.`,
      )
      return 1
    }
    await ended
    await served.close()
    return 0
  },
}

function present(served: Telegram, usernames: readonly string[], asJson: boolean, terminal: Terminal): void {
  const bots = usernames.map((username) => served.createBot({ username }))
  const { apiRoot, control } = served
  if (asJson) {
    const told = bots.map(({ id, username, token }) => ({ id, username, token }))
    terminal.out(JSON.stringify({ api_root: apiRoot, control, bots: told }))
    return
  }
  terminal.out(`Bot API:  ${apiRoot} (its document: ${apiRoot}/openapi.json)`)
  terminal.out(`Control:  ${control?.url} (its document: ${control?.url}/openapi.json)`)
  terminal.out(`          Authorization: Bearer ${control?.token}`)
  for (const { username, token } of bots) terminal.out(`@${username}: ${token}`)
}
